"""The commands of `opco`, one folder a room: what can be asked (`command.py`), beside what is done and said."""
