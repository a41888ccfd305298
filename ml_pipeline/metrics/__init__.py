"""What is measured per hour: one metric one file, the rollup over hours, and predictions joined with truth."""
