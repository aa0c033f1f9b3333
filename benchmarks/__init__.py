"""Speed, measured against a floor in the same run; it decides no test."""
