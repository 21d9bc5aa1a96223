"""Pictures and pages: draws what others read, computed or measured."""
