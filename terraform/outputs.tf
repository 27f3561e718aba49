output "function_name" {
  description = "The function's name, for its logs and metrics."
  value       = aws_cloudformation_stack.this.outputs["FunctionName"]
}

output "event_queue_url" {
  description = "Where the function takes its events from."
  value       = aws_cloudformation_stack.this.outputs["EventQueueUrl"]
}

output "dead_letter_queue_url" {
  description = "Where events end up that could not be handled."
  value       = aws_cloudformation_stack.this.outputs["DeadLetterQueueUrl"]
}

output "stack_id" {
  description = "The id of the CloudFormation stack."
  value       = aws_cloudformation_stack.this.id
}
