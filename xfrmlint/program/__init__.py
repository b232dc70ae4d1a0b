"""From rows about files to statements about drivers: roles, opt-in, who calls whom."""
