provider "aws" {
  region = "eu-west-1"
}

module "ecs_drain" {
  source = "../.."

  bucket              = "my-artifacts"
  cluster             = ["prod"]
  auto_scaling_groups = ["web", "workers"]

  deadline_seconds = 3600
  stop_stragglers  = "standalone"
  alarm_topic_arn  = "arn:aws:sns:eu-west-1:123456789012:alarms"

  tags = {
    team = "web"
  }
}

output "function_name" {
  value = module.ecs_drain.function_name
}
