"""Fraud scoring, payment-method choice and routing by expected margin."""
