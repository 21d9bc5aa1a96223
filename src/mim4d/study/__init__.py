"""What is it worth and what does it cost: ablations, and benchmarks of steps and loading."""
