//! The policies that are there without anybody having made them, by the names that clients attach.
//!
//! They say what the cloud's say of the services that are here, and nothing of the others.

/// A policy of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemPolicy {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it says.
    pub document: &'static str,
}

/// Every policy of the system, sorted by name.
pub const SYSTEM_POLICIES: &[SystemPolicy] = &[
    SystemPolicy {
        name: "AdministratorAccess",
        description: "Everything in the account",
        document: r#"{"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunECSFullAccess",
        description: "Everything of images, snapshots, disks and instances",
        document: r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
            "ecs:*", "vpc:DescribeVpcs", "vpc:DescribeVSwitches"]}]}"#,
    },
    SystemPolicy {
        name: "AliyunECSImageExportRolePolicy",
        description: "What an export of an image does in a bucket",
        document: r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
            "oss:GetObject", "oss:PutObject", "oss:DeleteObject", "oss:GetBucketLocation",
            "oss:GetBucketInfo", "oss:AbortMultipartUpload", "oss:ListMultipartUploads",
            "oss:ListParts"]}]}"#,
    },
    SystemPolicy {
        name: "AliyunECSImageImportRolePolicy",
        description: "What an import of an image does in a bucket",
        document: r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
            "oss:GetObject", "oss:GetBucketLocation", "oss:GetBucketInfo"]}]}"#,
    },
    SystemPolicy {
        name: "AliyunECSReadOnlyAccess",
        description: "A look at images, snapshots, disks and instances",
        document: r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
            "ecs:Describe*", "ecs:List*", "ecs:Get*", "vpc:DescribeVpcs",
            "vpc:DescribeVSwitches"]}]}"#,
    },
    SystemPolicy {
        name: "AliyunOSSFullAccess",
        description: "Everything of buckets and objects",
        document: r#"{"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": "oss:*", "Resource": "*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunOSSReadOnlyAccess",
        description: "A look at buckets and objects",
        document: r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
            "oss:Get*", "oss:List*"]}]}"#,
    },
    SystemPolicy {
        name: "AliyunRAMFullAccess",
        description: "Everything of users, policies and roles",
        document: r#"{"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": "ram:*", "Resource": "*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunRAMReadOnlyAccess",
        description: "A look at users, policies and roles",
        document: r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
            "ram:Get*", "ram:List*"]}]}"#,
    },
    SystemPolicy {
        name: "AliyunSTSAssumeRoleAccess",
        description: "To assume roles that allow it",
        document: r#"{"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}"#,
    },
];

/// The policy of the system of that name.
pub fn system_policy(name: &str) -> Option<&'static SystemPolicy> {
    SYSTEM_POLICIES.iter().find(|policy| policy.name == name)
}
