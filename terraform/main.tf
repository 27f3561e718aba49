locals {
  code     = "${path.module}/ecs-drain.zip"
  template = yamldecode(file("${path.module}/template.yaml"))

  # What `aws cloudformation package` does: the template names the place of the code.
  function = local.template.Resources.DrainLambdaFunction
  uploaded = jsonencode(merge(local.template, {
    Resources = merge(local.template.Resources, {
      DrainLambdaFunction = merge(local.function, {
        Properties = merge(local.function.Properties, {
          Code = { S3Bucket = aws_s3_object.code.bucket, S3Key = aws_s3_object.code.key }
        })
      })
    })
  }))
}

data "aws_s3_bucket" "this" {
  bucket = var.bucket
}

# Each object has the digest of its content in its key: a new version is a new place, so that CloudFormation sees the change, and the
# old object is there until the stack no longer needs it.
resource "aws_s3_object" "code" {
  bucket = var.bucket
  key    = "ecs-drain-${var.stage}/${filesha256(local.code)}.zip"
  source = local.code

  lifecycle {
    create_before_destroy = true
  }
}

# A template in the request itself may have 51,200 bytes, and this one has more.
resource "aws_s3_object" "template" {
  bucket       = var.bucket
  key          = "ecs-drain-${var.stage}/${sha256(local.uploaded)}.template.json"
  content      = local.uploaded
  content_type = "application/json"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudformation_stack" "this" {
  name         = "ecs-drain-${var.stage}"
  template_url = "https://${data.aws_s3_bucket.this.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  parameters   = local.parameters
  capabilities = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
  tags         = var.tags
}
