// A stand-in for the provider hashicorp/aws: it knows the attributes that the module uses, and does nothing with them. Terraform
// reads the schema to check the module, and `terraform test` makes up the values that AWS would give.
// The attributes are those of version 6 of the provider [its documentation: aws_s3_object, aws_cloudformation_stack, aws_s3_bucket].
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	source "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	configuration "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

var (
	required = schema.StringAttribute{Required: true}
	optional = schema.StringAttribute{Optional: true}
	computed = schema.StringAttribute{Computed: true}
	texts    = schema.MapAttribute{Optional: true, ElementType: types.StringType}
)

var resources = map[string]schema.Schema{
	"aws_s3_object": {Attributes: map[string]schema.Attribute{
		"id": computed, "bucket": required, "key": required, "source": optional, "source_hash": optional, "content": optional,
		"content_type": optional, "tags": texts,
	}},
	"aws_cloudformation_stack": {Attributes: map[string]schema.Attribute{
		"id": computed, "name": required, "template_url": optional, "parameters": texts, "iam_role_arn": optional, "tags": texts,
		"capabilities": schema.SetAttribute{Optional: true, ElementType: types.StringType},
		"outputs":      schema.MapAttribute{Computed: true, ElementType: types.StringType},
	}},
}

var bucket = source.Schema{Attributes: map[string]source.Attribute{
	"bucket":                      source.StringAttribute{Required: true},
	"bucket_regional_domain_name": source.StringAttribute{Computed: true},
}}

var settings = configuration.Schema{Attributes: map[string]configuration.Attribute{
	"region": configuration.StringAttribute{Optional: true},
}}

type aws struct{ provider.Provider }

func (aws) Metadata(_ context.Context, _ provider.MetadataRequest, response *provider.MetadataResponse) {
	response.TypeName = "aws"
}
func (aws) Schema(_ context.Context, _ provider.SchemaRequest, response *provider.SchemaResponse) {
	response.Schema = settings
}
func (aws) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}
func (aws) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{func() datasource.DataSource { return data{} }}
}
func (aws) Resources(context.Context) (all []func() resource.Resource) {
	for name := range resources {
		all = append(all, func() resource.Resource { return thing{name: name} })
	}
	return all
}

// What creates, reads, updates and deletes is left out: no test may call it.
type thing struct {
	resource.Resource
	name string
}

func (t thing) Metadata(_ context.Context, _ resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = t.name
}
func (t thing) Schema(_ context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	response.Schema = resources[t.name]
}

type data struct{ datasource.DataSource }

func (data) Metadata(_ context.Context, _ datasource.MetadataRequest, response *datasource.MetadataResponse) {
	response.TypeName = "aws_s3_bucket"
}
func (data) Schema(_ context.Context, _ datasource.SchemaRequest, response *datasource.SchemaResponse) {
	response.Schema = bucket
}

func main() {
	serve := providerserver.ServeOpts{Address: "example.com/hashicorp/aws"}
	if err := providerserver.Serve(context.Background(), func() provider.Provider { return aws{} }, serve); err != nil {
		log.Fatal(err)
	}
}
