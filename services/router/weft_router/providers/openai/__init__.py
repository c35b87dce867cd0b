"""OpenAI's wire formats, chat completions and Responses, as the many servers that speak them do."""
