"""Pure decisions: which call, by whom, with which treatment. No I/O, no clock."""
