"""What is not known yet: the delay of sales, and rates and revenue corrected for it. See docs/maturity.md."""
