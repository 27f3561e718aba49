# Terraform makes up what AWS would answer: see test/terraform.

mock_provider "aws" {
  mock_data "aws_s3_bucket" {
    defaults = {
      bucket_regional_domain_name = "artifacts.s3.eu-west-1.example.com"
    }
  }
  mock_resource "aws_cloudformation_stack" {
    defaults = {
      outputs = {
        FunctionName       = "ecs-drain-main-drain"
        EventQueueUrl      = "https://example.com/events"
        DeadLetterQueueUrl = "https://example.com/dead-letters"
      }
    }
  }
}

variables {
  bucket              = "artifacts"
  cluster             = ["prod"]
  auto_scaling_groups = ["web", "app-*"]
}

run "deploys_the_template_with_the_code_of_the_release" {
  assert {
    condition     = aws_s3_object.code.key == "ecs-drain-main/${filesha256("ecs-drain.zip")}.zip"
    error_message = "The key of the code must change with its content."
  }
  assert {
    condition     = jsondecode(aws_s3_object.template.content).Resources.DrainLambdaFunction.Properties.Code == { S3Bucket = "artifacts", S3Key = aws_s3_object.code.key }
    error_message = "The template must name the place of the code."
  }
  assert {
    condition = {
      for id, resource in jsondecode(aws_s3_object.template.content).Resources : id => resource if id != "DrainLambdaFunction"
      } == {
      for id, resource in yamldecode(file("template.yaml")).Resources : id => resource if id != "DrainLambdaFunction"
    }
    error_message = "Nothing else of the template may change."
  }
  assert {
    condition     = aws_cloudformation_stack.this.template_url == "https://artifacts.s3.eu-west-1.example.com/ecs-drain-main/${sha256(aws_s3_object.template.content)}.template.json"
    error_message = "The stack must be made from the uploaded template."
  }
  assert {
    condition     = aws_cloudformation_stack.this.name == "ecs-drain-main" && aws_cloudformation_stack.this.capabilities == toset(["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"])
    error_message = "The stack must be allowed its named roles and its loop."
  }
  assert {
    condition     = output.function_name == "ecs-drain-main-drain" && output.event_queue_url == "https://example.com/events" && output.dead_letter_queue_url == "https://example.com/dead-letters"
    error_message = "The outputs must be those of the stack."
  }
}

run "gives_every_parameter_of_the_template" {
  assert {
    condition     = toset(keys(aws_cloudformation_stack.this.parameters)) == toset(keys(yamldecode(file("template.yaml")).Parameters))
    error_message = "Each parameter must have a variable."
  }
  assert {
    condition = alltrue([
      for name, parameter in yamldecode(file("template.yaml")).Parameters :
      aws_cloudformation_stack.this.parameters[name] == tostring(parameter.Default) if can(parameter.Default)
    ])
    error_message = "A variable must have the default of its parameter."
  }
  assert {
    condition     = aws_cloudformation_stack.this.parameters["Cluster"] == "prod" && aws_cloudformation_stack.this.parameters["AutoScalingGroups"] == "web,app-*"
    error_message = "The items of a list must be separated by commas."
  }
}

run "passes_on_what_is_set" {
  variables {
    stage                  = "blue"
    deadline_seconds       = 900
    stuck_fraction         = 0.25
    dry_run                = true
    create_lifecycle_hooks = false
    lifecycle_hook         = ["theirs", "team/other"]
    alarm_topic_arn        = "arn:aws:sns:eu-west-1:123456789012:alarms"
    subnet_ids             = ["subnet-01234567", "subnet-89abcdef"]
    security_group_ids     = ["sg-01234567"]
    event_bus_arn          = "arn:aws:events:eu-west-1:123456789012:event-bus/central"
    tags                   = { team = "web" }
  }
  assert {
    condition = {
      for name in ["Stage", "DeadlineSeconds", "StuckFraction", "DryRun", "CreateLifecycleHooks", "LifecycleHook", "AlarmTopicArn", "SubnetIds", "SecurityGroupIds", "EventBusArn"] :
      name => aws_cloudformation_stack.this.parameters[name]
      } == {
      Stage                = "blue"
      DeadlineSeconds      = "900"
      StuckFraction        = "0.25"
      DryRun               = "true"
      CreateLifecycleHooks = "false"
      LifecycleHook        = "theirs,team/other"
      AlarmTopicArn        = "arn:aws:sns:eu-west-1:123456789012:alarms"
      SubnetIds            = "subnet-01234567,subnet-89abcdef"
      SecurityGroupIds     = "sg-01234567"
      EventBusArn          = "arn:aws:events:eu-west-1:123456789012:event-bus/central"
    }
    error_message = "What is set must reach the stack."
  }
  assert {
    condition     = aws_cloudformation_stack.this.tags == tomap({ team = "web" })
    error_message = "The tags must be on the stack."
  }
}

run "refuses_what_the_template_would_refuse" {
  command = plan

  variables {
    stage                     = "with space"
    cluster                   = ["arn:aws:ecs:eu-west-1:123456789012:cluster/prod"]
    auto_scaling_groups       = ["web@prod"]
    heartbeat_timeout_seconds = 29
    deadline_seconds          = 1.5
    deadline_result           = "GO"
    log_retention_days        = 2
    alarm_topic_arn           = "alarms"
    event_bus_arn             = "arn:aws:events:eu-west-1:123456789012:event-bus/default"
    subnet_ids                = ["subnet-01234567"]
    role_path                 = "teams"
    dry_run                   = true
  }

  expect_failures = [
    var.stage,
    var.cluster,
    var.auto_scaling_groups,
    var.heartbeat_timeout_seconds,
    var.deadline_seconds,
    var.deadline_result,
    var.log_retention_days,
    var.alarm_topic_arn,
    var.event_bus_arn,
    var.subnet_ids,
    var.role_path,
    var.dry_run,
  ]
}

run "refuses_lists_that_cloudformation_would_read_otherwise" {
  command = plan

  variables {
    cluster             = ["a", "b", "c", "d", "e", "f"]
    auto_scaling_groups = ["web,workers"]
    lifecycle_hook      = []
  }

  expect_failures = [
    var.cluster,
    var.auto_scaling_groups,
    var.lifecycle_hook,
  ]
}

run "takes_more_tags_than_an_object_can_have" {
  variables {
    tags = { for i in range(40) : "key-${i}" => "web" }
  }
  assert {
    condition     = length(aws_cloudformation_stack.this.tags) == 40 && aws_s3_object.code.tags == null && aws_s3_object.template.tags == null
    error_message = "S3 allows an object 10 tags, so the objects must have none of these."
  }
}

run "refuses_an_empty_item" {
  command = plan

  variables {
    cluster             = ["prod", ""]
    auto_scaling_groups = [" "]
    lifecycle_hook      = [""]
    subnet_ids          = [""]
    security_group_ids  = ["sg-01234567"]
  }

  expect_failures = [
    var.cluster,
    var.auto_scaling_groups,
    var.lifecycle_hook,
    var.subnet_ids,
  ]
}

run "refuses_an_item_that_is_null" {
  command = plan

  variables {
    cluster             = [null]
    auto_scaling_groups = ["web", null]
    lifecycle_hook      = [null]
    subnet_ids          = ["subnet-01234567"]
    security_group_ids  = [null]
  }

  expect_failures = [
    var.cluster,
    var.auto_scaling_groups,
    var.lifecycle_hook,
    var.security_group_ids,
  ]
}

run "refuses_an_item_that_is_repeated" {
  command = plan

  variables {
    cluster             = ["prod", "prod"]
    auto_scaling_groups = ["web", " web"]
    lifecycle_hook      = ["ecs-drain", "ecs-drain"]
    subnet_ids          = ["subnet-01234567", "subnet-01234567"]
    security_group_ids  = ["sg-01234567"]
  }

  expect_failures = [
    var.cluster,
    var.auto_scaling_groups,
    var.lifecycle_hook,
    var.subnet_ids,
  ]
}

run "refuses_none_in_a_list" {
  command = plan

  variables {
    subnet_ids         = ["none", "subnet-01234567"]
    security_group_ids = ["sg-01234567"]
  }

  expect_failures = [
    var.subnet_ids,
  ]
}

run "refuses_groups_whose_hooks_would_have_one_logical_id" {
  command = plan

  variables {
    auto_scaling_groups = ["web-1", "web1"]
  }

  expect_failures = [
    var.auto_scaling_groups,
  ]
}
