"""Files judged before they count: mistakes, what is seldom meant, tests, and what a reload would change."""
