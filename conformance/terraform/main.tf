# What the suite manages; `step` 1 makes it, 2 changes it.

terraform {
  required_providers {
    alicloud = { source = "aliyun/alicloud" }
  }
}

variable "endpoint" { type = string }
variable "region" { type = string }
variable "account" { type = string }
variable "step" { type = number }

provider "alicloud" {
  region   = var.region
  protocol = "HTTP"
  endpoints {
    kms = var.endpoint
    ram = var.endpoint
    sts = var.endpoint
  }
}

locals {
  changed = var.step == 2
  trust = jsonencode({
    Version   = "1"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { RAM = ["acs:ram::${var.account}:root"] } }]
  })
  actions = local.changed ? ["kms:Encrypt", "kms:Decrypt"] : ["kms:Encrypt"]
}

# Keys

resource "alicloud_kms_key" "main" {
  description            = local.changed ? "the shop's key" : "主密钥"
  automatic_rotation     = "Enabled"
  rotation_interval      = local.changed ? "7776000s" : "2592000s"
  pending_window_in_days = 7
  tags                   = local.changed ? { team = "shop", stage = "test" } : { team = "bank", old = "1" }
}

resource "alicloud_kms_key" "signer" {
  key_spec               = "EC_P256"
  key_usage              = "SIGN/VERIFY"
  deletion_protection    = local.changed ? "Disabled" : "Enabled"
  status                 = local.changed ? "Disabled" : "Enabled"
  pending_window_in_days = 7
}

resource "alicloud_kms_key" "second" {
  pending_window_in_days = 7
  policy = jsonencode({
    Version = "1"
    Statement = [{
      Sid       = "kms default key policy"
      Effect    = "Allow"
      Action    = ["kms:*"]
      Principal = { RAM = ["acs:ram::${var.account}:*"] }
      Resource  = ["*"]
    }]
  })
}

resource "alicloud_kms_key_version" "main" {
  key_id = alicloud_kms_key.second.id
}

resource "alicloud_kms_alias" "main" {
  alias_name = "alias/terraform"
  key_id     = local.changed ? alicloud_kms_key.second.id : alicloud_kms_key.main.id
}

resource "alicloud_kms_ciphertext" "greeting" {
  key_id             = alicloud_kms_key.second.id
  plaintext          = base64encode("hello 你好")
  encryption_context = { purpose = "greeting" }
}

data "alicloud_kms_plaintext" "greeting" {
  ciphertext_blob    = alicloud_kms_ciphertext.greeting.ciphertext_blob
  encryption_context = { purpose = "greeting" }
}

data "alicloud_kms_ciphertext" "other" {
  key_id    = alicloud_kms_key.second.id
  plaintext = base64encode("once")
}

data "alicloud_kms_keys" "all" {
  depends_on        = [alicloud_kms_key.main, alicloud_kms_key.second, alicloud_kms_key.signer]
  description_regex = ".*"
}

data "alicloud_kms_aliases" "all" {
  depends_on = [alicloud_kms_alias.main]
}

data "alicloud_kms_key_versions" "second" {
  key_id     = alicloud_kms_key.second.id
  depends_on = [alicloud_kms_key_version.main]
}

# Identities

resource "alicloud_ram_user" "alice" {
  name         = local.changed ? "alicia" : "alice"
  display_name = local.changed ? "Alicia" : "Alice"
  mobile       = "86-18688888888"
  email        = "alice@example.com"
  comments     = local.changed ? "" : "of the shop"
  force        = local.changed
}

resource "alicloud_ram_user" "bob" {
  name = "bob"
}

resource "alicloud_ram_user" "carol" {
  name = "carol"
}

resource "alicloud_ram_access_key" "bob" {
  user_name = alicloud_ram_user.bob.name
  status    = local.changed ? "Inactive" : "Active"
}

resource "alicloud_ram_group" "readers" {
  group_name = "readers.of_keys"
  comments   = local.changed ? "who read" : "readers"
  force      = true
}

resource "alicloud_ram_group" "others" {
  group_name = "others"
}

resource "alicloud_ram_group_membership" "others" {
  group_name = alicloud_ram_group.others.group_name
  user_names = local.changed ? [alicloud_ram_user.bob.name] : [alicloud_ram_user.bob.name, alicloud_ram_user.carol.name]
}

resource "alicloud_ram_user_group_attachment" "bob" {
  group_name = alicloud_ram_group.readers.group_name
  user_name  = alicloud_ram_user.bob.name
}

resource "alicloud_ram_policy" "encrypt" {
  policy_name     = "encrypt"
  description     = local.changed ? "may decrypt too" : "may encrypt"
  rotate_strategy = "DeleteOldestNonDefaultVersionWhenLimitExceeded"
  tags            = local.changed ? { team = "shop", stage = "test" } : { team = "bank", old = "1" }
  policy_document = jsonencode({
    Version   = "1"
    Statement = [{ Effect = "Allow", Action = local.actions, Resource = ["acs:kms:*:*:key/${alicloud_kms_key.second.id}"] }]
  })
}

resource "alicloud_ram_role" "keeper" {
  role_name                   = "keeper.of-keys"
  description                 = local.changed ? "keeps keys well" : "keeps keys"
  max_session_duration        = local.changed ? 7200 : 3600
  tags                        = local.changed ? { team = "shop" } : { team = "bank", old = "1" }
  assume_role_policy_document = local.trust
}

resource "alicloud_ram_user_policy_attachment" "bob" {
  user_name   = alicloud_ram_user.bob.name
  policy_name = alicloud_ram_policy.encrypt.policy_name
  policy_type = alicloud_ram_policy.encrypt.type
}

resource "alicloud_ram_group_policy_attachment" "readers" {
  group_name  = alicloud_ram_group.readers.group_name
  policy_name = "AliyunKMSReadOnlyAccess"
  policy_type = "System"
}

resource "alicloud_ram_role_policy_attachment" "keeper" {
  role_name   = alicloud_ram_role.keeper.role_name
  policy_name = "AliyunKMSFullAccess"
  policy_type = "System"
}

data "alicloud_ram_users" "all" {
  depends_on = [alicloud_ram_user.alice, alicloud_ram_user.bob, alicloud_ram_user.carol]
}

data "alicloud_ram_groups" "of_bob" {
  user_name  = alicloud_ram_user.bob.name
  depends_on = [alicloud_ram_user_group_attachment.bob, alicloud_ram_group_membership.others]
}

data "alicloud_ram_policies" "of_bob" {
  user_name  = alicloud_ram_user.bob.name
  depends_on = [alicloud_ram_user_policy_attachment.bob]
}

data "alicloud_ram_roles" "all" {
  name_regex = "^keeper"
  depends_on = [alicloud_ram_role.keeper]
}

data "alicloud_caller_identity" "self" {}

output "seen" {
  value = {
    plaintext = base64decode(data.alicloud_kms_plaintext.greeting.plaintext)
    keys      = length(data.alicloud_kms_keys.all.keys)
    aliases   = data.alicloud_kms_aliases.all.aliases[*].alias_name
    versions  = length(data.alicloud_kms_key_versions.second.versions)
    users     = sort(data.alicloud_ram_users.all.names)
    groups    = sort(data.alicloud_ram_groups.of_bob.names)
    policies  = data.alicloud_ram_policies.of_bob.names
    roles     = data.alicloud_ram_roles.all.names
    account   = data.alicloud_caller_identity.self.account_id
  }
}
