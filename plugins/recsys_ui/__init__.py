"""The leaderboard's web application: app (who may see what), books (what the lake says), page.html (how it looks)."""
