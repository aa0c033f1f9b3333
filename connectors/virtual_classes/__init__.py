"""Virtual classes: attendance reports of Zoom, Microsoft Teams, Google Meet and BigBlueButton, as they come."""
