"""Real examples for the OpenAPI document, the printed ``curl`` line and the tests.

Every one of them decodes as what it stands for; a test holds them to it.
"""

from typing import Any

__all__ = [
    "CHANGED",
    "CONTEXT",
    "DECISION",
    "ERASURES",
    "ERASURE_RESULT",
    "ERROR",
    "ORDER",
    "OUTCOMES",
    "PROMOTE_BUNDLE",
    "PROMOTE_POLICY",
    "RECOMMENDATION",
    "ROLL_BACK",
]

ORDER: dict[str, Any] = {
    "transaction_id": "order-1001-attempt-1",
    "order_id": "order-1001",
    "event_time": "2026-03-02T20:14:05+01:00",
    "type": "purchase",
    "party": "customer",
    "channel": "web",
    "account": {
        "user_id": "customer-8821",
        "created_at": "2026-02-27T18:40:00+01:00",
        "is_guest": False,
        "is_email_validated": True,
    },
    "email": {"address": "erika.mustermann@example.com"},
    "billing": {
        "first_name": "Erika",
        "last_name": "Mustermann",
        "address": "Beispielweg 17",
        "city": "Hamburg",
        "postal": "20095",
        "country": "DE",
        "phone_country_code": "49",
        "phone_number": "40 5550123",
    },
    "shipping": {
        "first_name": "Erika",
        "last_name": "Mustermann",
        "address": "Beispielweg 17",
        "city": "Hamburg",
        "postal": "20095",
        "country": "DE",
        "delivery_speed": "standard",
        "delivery_kind": "billing_address",
    },
    "payment": {
        "method": "card",
        "method_type": "credit",
        "processor": "example-psp",
        "card": {
            "fingerprint": "card-5f0c9a2b",
            "issuer_id_number": "411111",
            "last_digits": "1111",
            "country": "DE",
            "brand": "visa",
            "funding": "credit",
            "expiry_month": 11,
            "expiry_year": 2029,
            "cvv_check": "pass",
            "postal_check": "pass",
        },
    },
    "order": {
        "amount_minor": 12990,
        "currency": "EUR",
        "items": [
            {
                "item_id": "sku-7731",
                "category": "headphones",
                "price_minor": 9990,
                "quantity": 1,
                "is_digital": False,
            },
            {"item_id": "sku-0102", "category": "cables", "price_minor": 1500, "quantity": 2},
        ],
    },
    "device": {
        "fingerprint": "device-c41d77",
        "ip_address": "192.0.2.41",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
        "accept_language": "de-DE,de;q=0.9",
        "session_id": "session-59b2",
        "session_age_s": 412.5,
    },
    "custom_inputs": {"basket_changes": 2, "newsletter": True},
}

_ABOUT_THE_ORDER = {"transaction_id": "order-1001-attempt-1"}

OUTCOMES: dict[str, dict[str, Any]] = {
    "The issuer authorized it": {
        "kind": "authorized",
        "outcome_id": "psp-event-1",
        **_ABOUT_THE_ORDER,
        "occurred_at": "2026-03-02T20:14:07+01:00",
        "available_at": "2026-03-02T20:14:07+01:00",
        "processor": "example-psp",
    },
    "The issuer declined it": {
        "kind": "issuer_declined",
        "outcome_id": "psp-event-2",
        **_ABOUT_THE_ORDER,
        "occurred_at": "2026-03-02T20:14:07+01:00",
        "available_at": "2026-03-02T20:14:07+01:00",
        "decline": "soft",
        "code": "insufficient_funds",
    },
    "An agent looked at it": {
        "kind": "review_verdict",
        "outcome_id": "review-17",
        **_ABOUT_THE_ORDER,
        "occurred_at": "2026-03-03T09:30:00+01:00",
        "available_at": "2026-03-03T09:30:00+01:00",
        "verdict": "legitimate",
        "reviewed_by": "agent-4",
    },
    "It was charged back as fraud": {
        "kind": "chargeback",
        "outcome_id": "dispute-903",
        **_ABOUT_THE_ORDER,
        "occurred_at": "2026-04-11T00:00:00+02:00",
        "available_at": "2026-04-14T06:00:00+02:00",
        "is_fraud": True,
        "reason": "10.4",
        "amount_minor": 12990,
        "currency": "EUR",
    },
}

CONTEXT: dict[str, Any] = {
    "country": "NL",
    "currency": "EUR",
    "amount_minor": 12990,
    "enabled_methods": ["ideal", "credit", "pix"],
}

DECISION: dict[str, Any] = {
    "transaction_id": "order-1001-attempt-1",
    "action": "approve",
    "fraud_probability": 0.01347058463697902,
    "raw_score": -2.4702635629115255,
    "reasons": [
        {
            "code": "CARD_LINKS",
            "text": "2 accounts with this card in the last 7 days",
            "weight": 0.3059,
            "customer_text": "We could not confirm the card.",
            "clears_by": "2026-03-09T19:14:05Z",
        },
        {
            "code": "SESSION",
            "text": "412 seconds in the shop before ordering",
            "weight": 0.267,
            "customer_text": "We could not confirm the details of this order.",
            "clears_by": None,
        },
    ],
    "expected_cost_minor": {
        "approve": -3001.8302126830954,
        "challenge": -2696.8817521067126,
        "review": -2553.855279062026,
        "decline": 986.5294153630209,
    },
    "currency": "EUR",
    "versions": {
        "bundle": "13254d2d47d8c4a2",
        "features": "4e9c7ee53f56e330",
        "policy": "39e0b0addcf2707f",
    },
    "warnings": [],
    "degraded": [],
    "segment": None,
    "ranges": [
        {"action": "approve", "from_probability": 0.0, "to_probability": 0.02},
        {"action": "review", "from_probability": 0.02, "to_probability": 0.07},
        {"action": "challenge", "from_probability": 0.07, "to_probability": 0.92},
        {"action": "decline", "from_probability": 0.92, "to_probability": 1.0},
    ],
    "shaped_by": [],
    "approve_propensity": None,
    "own_costs": {},
}

RECOMMENDATION: dict[str, Any] = {
    "methods": [
        {
            "method_type": "ideal",
            "method": "bank_redirect",
            "name": "iDEAL",
            "rank": 1,
            "share": 0.89,
            "cost_minor": 29.0,
            "why": "Published for NL: iDEAL 70 % (share of online purchases; 2023). "
            "Cost 0.29 EUR: list price of 2025-01-01.",
        },
        {
            "method_type": "credit",
            "method": "card",
            "name": "Credit card",
            "rank": 2,
            "share": 0.11,
            "cost_minor": 219.85,
            "why": "Weak: no figure for NL covers Credit card, so what others leave open is "
            "filled in proportion to the europe figures. Cost 1.5 % plus 0.25 EUR: list price "
            "of 2023-04-10.",
        },
    ],
    "why_not": [
        {
            "method_type": "pix",
            "code": "country_not_supported",
            "why": "Pix is for customers in BR; this one pays from NL.",
        }
    ],
    "catalog_version": "f65c57d335803602",
    "warnings": [],
}

ERROR: dict[str, Any] = {
    "error": {
        "code": "invalid_field",
        "pointer": "/emial",
        "expected": "a known field",
        "received": "unknown field 'emial'",
        "hint": "did you mean 'email'?",
        "message": (
            "/emial: expected a known field, got unknown field 'emial'; did you mean 'email'?"
        ),
    }
}

PROMOTE_BUNDLE: dict[str, Any] = {"bundle": "13254d2d47d8c4a2", "why": "retrained on October"}

ROLL_BACK: dict[str, Any] = {"why": "too many reviews"}

PROMOTE_POLICY: dict[str, Any] = {
    "policy": "[costs]\nmargin_share = 0.3\n\n[constraints]\nreviews_per_day = 50\n",
    "why": "a smaller team",
    "override": "",
}

_CHANGE: dict[str, Any] = {
    "at_ms": 1772480000000,
    "action": "promote",
    "from_bundle": "demo",
    "from_version": "0b9f8c1d2e3a4f56",
    "to_bundle": "13254d2d47d8c4a2",
    "to_version": "13254d2d47d8c4a2",
    "by": "ann (5f0c9a2bd1e7)",
    "why": "retrained on October",
}

CHANGED: dict[str, Any] = {
    "change": _CHANGE,
    "in_force": {
        "versions": DECISION["versions"],
        "policy": "[costs]\nmargin_share = 0.3\n",
        "signed_by": None,
        "bundle": "13254d2d47d8c4a2",
        "previous": "demo",
        "change": _CHANGE,
        "problem": None,
    },
}

ERASURES: dict[str, dict[str, Any]] = {
    "All orders of an account": {"entity": "account", "identifier": "customer-8821"},
    "How much there is of an address": {
        "entity": "shipping_address",
        "identifier": ["Beispielweg 17", "20095", "DE"],
        "dry_run": True,
    },
}

ERASURE_RESULT: dict[str, Any] = {
    "orders": 3,
    "outcomes": 4,
    "dry_run": False,
    "fingerprint": "5f0c9a2b7d1e4483",
}
