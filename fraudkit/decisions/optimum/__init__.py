"""The exact optima that tuning a policy rests on: arrays in, values out."""
