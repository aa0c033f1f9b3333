"""`opco status`, `opco rollback`: what is published and kept, and which of it readers see."""
