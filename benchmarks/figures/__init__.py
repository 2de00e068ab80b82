"""Tables of the benchmarks (step, layers), their pictures (roofline, growth, layer_bars), and the
README's section on speed (readme_section)."""
