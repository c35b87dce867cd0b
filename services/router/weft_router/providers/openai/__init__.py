"""OpenAI's wire formats, chat completions and Responses, in the variants of the many servers that speak them."""
