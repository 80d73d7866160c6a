"""Real examples for the OpenAPI document, the printed ``curl`` line and the tests.

Every one of them decodes as what it stands for; a test holds them to it.
"""

from typing import Any

__all__ = ["CONTEXT", "DECISION", "ERROR", "ORDER", "OUTCOMES", "RECOMMENDATION"]

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

CONTEXT: dict[str, Any] = {"country": "NL", "currency": "EUR", "amount_minor": 12990}

DECISION: dict[str, Any] = {
    "transaction_id": "order-1001-attempt-1",
    "action": "approve",
    "fraud_probability": 0.0041,
    "raw_score": -5.2,
    "reasons": [
        {
            "code": "account_age",
            "text": "The account is 3 days old.",
            "weight": 0.31,
        }
    ],
    "expected_cost_minor": {
        "approve": -2540.0,
        "challenge": -2310.5,
        "review": -1850.0,
        "decline": 0.0,
    },
    "currency": "EUR",
    "versions": {
        "bundle": "3b1f0c9d2a7e4f58",
        "features": "9c0d5e6f7a8b1234",
        "policy": "0f1e2d3c4b5a6978",
    },
    "warnings": [],
    "degraded": [],
}

RECOMMENDATION: dict[str, Any] = {
    "methods": [
        {
            "method_type": "ideal",
            "method": "bank_redirect",
            "name": "iDEAL",
            "rank": 1,
            "share": 0.73,
            "cost_minor": 29.0,
            "why": "Most customers in NL pay online with iDEAL.",
        },
    ],
    "why_not": [
        {
            "method_type": "pix",
            "code": "country",
            "why": "Pix is offered in BR only.",
        }
    ],
    "catalog_version": "5a6978f1e2d3c4b0",
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
