# Written by `npm run terraform` from deploy/: change it there.

variable "bucket" {
  description = "The S3 bucket that the code and the template are put into. It must be in the Region of the stack."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "The tags of the stack, which CloudFormation puts on each resource that can have tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "stage" {
  description = "Distinguishes this deployment from others in the account: every name begins with ecs-drain-STAGE."
  type        = string
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9-]{1,32}$", var.stage))
    error_message = "stage is ${jsonencode(var.stage)}: expected letters, digits and hyphens, 32 at most."
  }
}

variable "cluster" {
  description = "The ECS clusters an instance may be in, 5 at most."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.cluster) > 0 && length(var.cluster) <= 5 && alltrue([for item in var.cluster : can(regex("^[a-zA-Z0-9_-]{1,255}$", trimspace(item))) && !can(regex(",", item))])
    error_message = "cluster is ${jsonencode(var.cluster)}: expected the names (not the ARNs) of ECS clusters, 5 at most."
  }

  validation {
    condition     = length(distinct([for item in var.cluster : try(trimspace(item), null)])) == length(var.cluster)
    error_message = "cluster is ${jsonencode(var.cluster)}: expected each name once."
  }
}

variable "auto_scaling_groups" {
  description = "The Auto Scaling groups to drain, 20 at most; web-* is every group whose name begins with web-."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.auto_scaling_groups) > 0 && length(var.auto_scaling_groups) <= 20 && alltrue([for item in var.auto_scaling_groups : !can(regex("^$|.*\\*\\*", trimspace(item))) && can(regex("^[^:@?$\\\\*]*(\\*[^:@?$\\\\*]*){0,2}$", trimspace(item))) && !can(regex(",", item))])
    error_message = "auto_scaling_groups is ${jsonencode(var.auto_scaling_groups)}: expected the names (not the ARNs) of Auto Scaling groups or patterns such as web-*, 20 at most, without : @ ? $ and backslashes."
  }

  validation {
    condition     = length(distinct([for item in var.auto_scaling_groups : try(replace(item, "/[^0-9A-Za-z]/", ""), null)])) == length(var.auto_scaling_groups)
    error_message = "auto_scaling_groups is ${jsonencode(var.auto_scaling_groups)}: expected no two with the same letters and digits."
  }
}

variable "lifecycle_hook" {
  description = "The name of the terminating hook; several, if created elsewhere."
  type        = list(string)
  default     = ["ecs-drain"]
  nullable    = false

  validation {
    condition     = length(var.lifecycle_hook) > 0 && alltrue([for item in var.lifecycle_hook : can(regex("^[\\w/-]{1,255}$", trimspace(item))) && !can(regex(",", item))])
    error_message = "lifecycle_hook is ${jsonencode(var.lifecycle_hook)}: expected the names of lifecycle hooks."
  }

  validation {
    condition     = length(distinct([for item in var.lifecycle_hook : try(trimspace(item), null)])) == length(var.lifecycle_hook)
    error_message = "lifecycle_hook is ${jsonencode(var.lifecycle_hook)}: expected each name once."
  }
}

variable "create_lifecycle_hooks" {
  description = "False if the hooks are managed elsewhere; required with a pattern such as web-*."
  type        = bool
  default     = true
  nullable    = false
}

variable "heartbeat_timeout_seconds" {
  description = "How long a created hook holds an instance without a heartbeat, 30 to 7200."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.heartbeat_timeout_seconds >= 30 && var.heartbeat_timeout_seconds <= 7200 && floor(var.heartbeat_timeout_seconds) == var.heartbeat_timeout_seconds
    error_message = "heartbeat_timeout_seconds is ${jsonencode(var.heartbeat_timeout_seconds)}: expected a whole number of seconds from 30 to 7200."
  }
}

variable "hook_default_result" {
  description = "The result of a created hook that times out: CONTINUE or ABANDON."
  type        = string
  default     = "CONTINUE"
  nullable    = false

  validation {
    condition     = contains(["CONTINUE", "ABANDON"], var.hook_default_result)
    error_message = "hook_default_result is ${jsonencode(var.hook_default_result)}: expected one of CONTINUE, ABANDON."
  }
}

variable "deadline_seconds" {
  description = "The longest a drain may take."
  type        = number
  default     = 7200
  nullable    = false

  validation {
    condition     = var.deadline_seconds >= 1 && var.deadline_seconds <= 172800 && floor(var.deadline_seconds) == var.deadline_seconds
    error_message = "deadline_seconds is ${jsonencode(var.deadline_seconds)}: expected a whole number of seconds from 1 to 172800."
  }
}

variable "deadline_result" {
  description = "The result if tasks are left at the deadline: CONTINUE or ABANDON."
  type        = string
  default     = "CONTINUE"
  nullable    = false

  validation {
    condition     = contains(["CONTINUE", "ABANDON"], var.deadline_result)
    error_message = "deadline_result is ${jsonencode(var.deadline_result)}: expected one of CONTINUE, ABANDON."
  }
}

variable "supervise_managed_draining" {
  description = "True: supervise drains of ECS managed draining, and report them."
  type        = bool
  default     = false
  nullable    = false
}

variable "managed_draining_deadline" {
  description = "What ends such a drain at the deadline: none (ECS, in 48 hours at most), CONTINUE or ABANDON."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "CONTINUE", "ABANDON"], var.managed_draining_deadline)
    error_message = "managed_draining_deadline is ${jsonencode(var.managed_draining_deadline)}: expected one of none, CONTINUE, ABANDON."
  }
}

variable "stuck_fraction" {
  description = "The share of the time to the deadline after which a waiting drain is reported as stuck."
  type        = number
  default     = 0.5
  nullable    = false

  validation {
    condition     = var.stuck_fraction >= 0.05 && var.stuck_fraction <= 1
    error_message = "stuck_fraction is ${jsonencode(var.stuck_fraction)}: expected a number from 0.05 to 1."
  }
}

variable "stop_stragglers" {
  description = "Which tasks are stopped ahead of the deadline: none, standalone or all."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "standalone", "all"], var.stop_stragglers)
    error_message = "stop_stragglers is ${jsonencode(var.stop_stragglers)}: expected one of none, standalone, all."
  }
}

variable "deregistration_delay_seconds" {
  description = "Of the load balancers; added to the stop timeout of a straggling service task."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.deregistration_delay_seconds >= 0 && var.deregistration_delay_seconds <= 3600 && floor(var.deregistration_delay_seconds) == var.deregistration_delay_seconds
    error_message = "deregistration_delay_seconds is ${jsonencode(var.deregistration_delay_seconds)}: expected a whole number of seconds from 0 to 3600."
  }
}

variable "container_stop_timeout_seconds" {
  description = "ECS_CONTAINER_STOP_TIMEOUT of your agents: counts where a container has no stopTimeout."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.container_stop_timeout_seconds >= 1 && var.container_stop_timeout_seconds <= 86400 && floor(var.container_stop_timeout_seconds) == var.container_stop_timeout_seconds
    error_message = "container_stop_timeout_seconds is ${jsonencode(var.container_stop_timeout_seconds)}: expected a whole number of seconds from 1 to 86400."
  }
}

variable "agent_grace_seconds" {
  description = "How long the ECS agent may be disconnected before the drain gives up on it."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.agent_grace_seconds >= 60 && var.agent_grace_seconds <= 172800 && floor(var.agent_grace_seconds) == var.agent_grace_seconds
    error_message = "agent_grace_seconds is ${jsonencode(var.agent_grace_seconds)}: expected a whole number of seconds from 60 to 172800."
  }
}

variable "heartbeat_fraction" {
  description = "When a heartbeat is due, as a share of the hook's heartbeat timeout."
  type        = number
  default     = 0.5
  nullable    = false

  validation {
    condition     = var.heartbeat_fraction >= 0.1 && var.heartbeat_fraction <= 10
    error_message = "heartbeat_fraction is ${jsonencode(var.heartbeat_fraction)}: expected a number from 0.1 to 10."
  }
}

variable "waiting" {
  description = "How a drain waits: park (a schedule, and a wake-up by ECS events) or watch (messages with a delay)."
  type        = string
  default     = "park"
  nullable    = false

  validation {
    condition     = contains(["park", "watch"], var.waiting)
    error_message = "waiting is ${jsonencode(var.waiting)}: expected one of park, watch."
  }
}

variable "maximum_concurrency" {
  description = "How many executions of the function may run at once, 2 to 1000; none are reserved."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000 && floor(var.maximum_concurrency) == var.maximum_concurrency
    error_message = "maximum_concurrency is ${jsonencode(var.maximum_concurrency)}: expected a whole number from 2 to 1000."
  }
}

variable "poll_min_seconds" {
  description = "The interval between two looks at the tasks while something changes...."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.poll_min_seconds >= 1 && var.poll_min_seconds <= 60 && floor(var.poll_min_seconds) == var.poll_min_seconds
    error_message = "poll_min_seconds is ${jsonencode(var.poll_min_seconds)}: expected a whole number of seconds from 1 to 60."
  }
}

variable "poll_max_seconds" {
  description = "...and the longest interval while nothing does."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.poll_max_seconds >= 1 && var.poll_max_seconds <= 300 && floor(var.poll_max_seconds) == var.poll_max_seconds
    error_message = "poll_max_seconds is ${jsonencode(var.poll_max_seconds)}: expected a whole number of seconds from 1 to 300."
  }
}

variable "margin_seconds" {
  description = "Kept free at the end of an invocation to hand over what is left."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.margin_seconds >= 20 && var.margin_seconds <= 120 && floor(var.margin_seconds) == var.margin_seconds
    error_message = "margin_seconds is ${jsonencode(var.margin_seconds)}: expected a whole number of seconds from 20 to 120."
  }
}

variable "function_timeout_seconds" {
  description = "The longest invocation, 25 to 900; a crashed one is retried when this time is over."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.function_timeout_seconds >= 25 && var.function_timeout_seconds <= 900 && floor(var.function_timeout_seconds) == var.function_timeout_seconds
    error_message = "function_timeout_seconds is ${jsonencode(var.function_timeout_seconds)}: expected a whole number of seconds from 25 to 900."
  }
}

variable "spot_interruptions" {
  description = "True: also drain on the two-minute warning of a Spot interruption."
  type        = bool
  default     = false
  nullable    = false
}

variable "rebalance_recommendations" {
  description = "True: also drain when EC2 recommends to rebalance."
  type        = bool
  default     = false
  nullable    = false
}

variable "dry_run" {
  description = "True: observe, decide, log and measure, but change nothing."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(tostring(var.dry_run) == "true") || tostring(var.create_lifecycle_hooks) == "false"
    error_message = "dry_run completes nothing, and create_lifecycle_hooks true would hold every instance for heartbeat_timeout_seconds: set create_lifecycle_hooks to false, and lifecycle_hook to the hook that drains the groups now."
  }
}

variable "log_level" {
  description = "DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level is ${jsonencode(var.log_level)}: expected one of DEBUG, INFO, WARN, ERROR."
  }
}

variable "sweep_minutes" {
  description = "How often to look for drains whose event was lost, 1 to 60."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.sweep_minutes >= 1 && var.sweep_minutes <= 60 && floor(var.sweep_minutes) == var.sweep_minutes
    error_message = "sweep_minutes is ${jsonencode(var.sweep_minutes)}: expected a whole number of minutes from 1 to 60."
  }
}

variable "alarm_topic_arn" {
  description = "The SNS topic, of the same account and Region, that the alarms notify; none: they notify no one."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^(none|arn:aws[a-z-]*:sns:[a-z0-9-]+:\\d{12}:[\\w-]{1,256})$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn is ${jsonencode(var.alarm_topic_arn)}: expected none, or the ARN of a standard SNS topic, such as arn:aws:sns:eu-west-1:123456789012:alarms."
  }
}

variable "permissions_boundary_arn" {
  description = "The ARN of the policy that bounds every role; none: no boundary."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^(none|arn:aws[a-z-]*:iam::(\\d{12}|aws):policy\\/[\\w+=,.@/-]{1,512})$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn is ${jsonencode(var.permissions_boundary_arn)}: expected none, or the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "role_name_prefix" {
  description = "How the name of every role begins, such as team-web-; none: as the stack names them."
  type        = string
  default     = null

  validation {
    condition     = var.role_name_prefix == null || can(regex("^[\\w+=,.@-]{1,32}$", var.role_name_prefix))
    error_message = "role_name_prefix is ${jsonencode(var.role_name_prefix)}: expected none, or how the names of roles begin, such as team-web-."
  }
}

variable "role_path" {
  description = "The path of every role, such as /teams/web/."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^\\/([!-.0-~]+\\/)*$", var.role_path))
    error_message = "role_path is ${jsonencode(var.role_path)}: expected / or the path of a role, such as /teams/web/."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs."
  type        = string
  default     = "7"
  nullable    = false

  validation {
    condition     = contains(["1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1096", "1827", "2192", "2557", "2922", "3288", "3653"], var.log_retention_days)
    error_message = "log_retention_days is ${jsonencode(var.log_retention_days)}: expected one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "log_kms_key_arn" {
  description = "The ARN of the KMS key that encrypts the logs; none: a key of CloudWatch Logs."
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null || can(regex("^(none|arn:aws[a-z-]*:kms:[a-z0-9-]+:\\d{12}:key\\/[\\w-]{1,64})$", var.log_kms_key_arn))
    error_message = "log_kms_key_arn is ${jsonencode(var.log_kms_key_arn)}: expected none, or the ARN of a KMS key (not of an alias), such as arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888."
  }
}

variable "queue_kms_key_arn" {
  description = "The ARN of the KMS key that encrypts the queues; none: a key of SQS."
  type        = string
  default     = null

  validation {
    condition     = var.queue_kms_key_arn == null || can(regex("^(none|arn:aws[a-z-]*:kms:[a-z0-9-]+:\\d{12}:key\\/[\\w-]{1,64})$", var.queue_kms_key_arn))
    error_message = "queue_kms_key_arn is ${jsonencode(var.queue_kms_key_arn)}: expected none, or the ARN of a KMS key (not of an alias), such as arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888."
  }
}

variable "subnet_ids" {
  description = "The subnets of the function; none: it is in no VPC of yours."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for item in var.subnet_ids : can(regex("^(subnet-[0-9a-f]{8,17})$", trimspace(item))) && !can(regex(",", item))])
    error_message = "subnet_ids is ${jsonencode(var.subnet_ids)}: expected none, or the ids of subnets."
  }

  validation {
    condition     = length(distinct([for item in var.subnet_ids : try(trimspace(item), null)])) == length(var.subnet_ids)
    error_message = "subnet_ids is ${jsonencode(var.subnet_ids)}: expected each name once."
  }

  validation {
    condition     = ((length(var.subnet_ids) == 0 && length(var.security_group_ids) == 0) || (!(length(var.subnet_ids) == 0) && !(length(var.security_group_ids) == 0)))
    error_message = "subnet_ids and security_group_ids need each other, because Lambda takes both or neither: set both, or none."
  }
}

variable "security_group_ids" {
  description = "The security groups of the function there."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for item in var.security_group_ids : can(regex("^(sg-[0-9a-f]{8,17})$", trimspace(item))) && !can(regex(",", item))])
    error_message = "security_group_ids is ${jsonencode(var.security_group_ids)}: expected none, or the ids of security groups."
  }

  validation {
    condition     = length(distinct([for item in var.security_group_ids : try(trimspace(item), null)])) == length(var.security_group_ids)
    error_message = "security_group_ids is ${jsonencode(var.security_group_ids)}: expected each name once."
  }
}

variable "event_bus_arn" {
  description = "The ARN of an event bus, of any account, that gets the outcome events as well; none: no such bus."
  type        = string
  default     = null

  validation {
    condition     = var.event_bus_arn == null || !can(regex("arn:aws[a-z-]*:events:[a-z0-9-]+:\\d{12}:event-bus\\/default$", var.event_bus_arn)) && can(regex("^(none|arn:aws[a-z-]*:events:[a-z0-9-]+:\\d{12}:event-bus\\/[\\w.-]{1,256})$", var.event_bus_arn))
    error_message = "event_bus_arn is ${jsonencode(var.event_bus_arn)}: expected none, or the ARN of an event bus that is no default one, such as arn:aws:events:eu-west-1:123456789012:event-bus/central."
  }
}

locals {
  parameters = {
    Stage                       = tostring(var.stage)
    Cluster                     = join(",", var.cluster)
    AutoScalingGroups           = join(",", var.auto_scaling_groups)
    LifecycleHook               = join(",", var.lifecycle_hook)
    CreateLifecycleHooks        = tostring(var.create_lifecycle_hooks)
    HeartbeatTimeoutSeconds     = tostring(var.heartbeat_timeout_seconds)
    HookDefaultResult           = tostring(var.hook_default_result)
    DeadlineSeconds             = tostring(var.deadline_seconds)
    DeadlineResult              = tostring(var.deadline_result)
    SuperviseManagedDraining    = tostring(var.supervise_managed_draining)
    ManagedDrainingDeadline     = tostring(var.managed_draining_deadline)
    StuckFraction               = tostring(var.stuck_fraction)
    StopStragglers              = tostring(var.stop_stragglers)
    DeregistrationDelaySeconds  = tostring(var.deregistration_delay_seconds)
    ContainerStopTimeoutSeconds = tostring(var.container_stop_timeout_seconds)
    AgentGraceSeconds           = tostring(var.agent_grace_seconds)
    HeartbeatFraction           = tostring(var.heartbeat_fraction)
    Waiting                     = tostring(var.waiting)
    MaximumConcurrency          = tostring(var.maximum_concurrency)
    PollMinSeconds              = tostring(var.poll_min_seconds)
    PollMaxSeconds              = tostring(var.poll_max_seconds)
    MarginSeconds               = tostring(var.margin_seconds)
    FunctionTimeoutSeconds      = tostring(var.function_timeout_seconds)
    SpotInterruptions           = tostring(var.spot_interruptions)
    RebalanceRecommendations    = tostring(var.rebalance_recommendations)
    DryRun                      = tostring(var.dry_run)
    LogLevel                    = tostring(var.log_level)
    SweepMinutes                = tostring(var.sweep_minutes)
    AlarmTopicArn               = coalesce(var.alarm_topic_arn, "none")
    PermissionsBoundaryArn      = coalesce(var.permissions_boundary_arn, "none")
    RoleNamePrefix              = coalesce(var.role_name_prefix, "none")
    RolePath                    = tostring(var.role_path)
    LogRetentionDays            = tostring(var.log_retention_days)
    LogKmsKeyArn                = coalesce(var.log_kms_key_arn, "none")
    QueueKmsKeyArn              = coalesce(var.queue_kms_key_arn, "none")
    SubnetIds                   = length(var.subnet_ids) == 0 ? "none" : join(",", var.subnet_ids)
    SecurityGroupIds            = length(var.security_group_ids) == 0 ? "none" : join(",", var.security_group_ids)
    EventBusArn                 = coalesce(var.event_bus_arn, "none")
  }
}
