"""What each route does: read the request, ask the supervisor once, answer. By noun."""
