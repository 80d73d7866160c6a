"""The durable record of transactions, decisions and outcomes."""
