//! The actions of the ECS API: one file each, from parameters to an answer.
//!
//! An action reads its parameters, asks the service, and shapes the answer as clients know it. It
//! holds no rule: what may be done is the service's to say, in codes that `codes.rs` turns into
//! the ones and the statuses which this action documents.
//!
//! ```text
//!  Params ──▶ describe_images.rs ──Request──▶ service ──Images──▶ shape_image.rs ──▶ Object
//! ```
//!
//! It deliberately knows no signature and no socket: who asks was proved before.

#![expect(
    clippy::unused_async,
    reason = "all actions have one shape, also those that have nothing to wait for"
)]

mod actions;
mod add_tags;
mod allocate_eip_address;
mod allocate_public_ip_address;
mod ask;
mod associate_eip_address;
mod assume_role;
mod attach_disk;
mod attach_key_pair;
mod attach_policy_to_role;
mod attach_policy_to_user;
mod authorize_security_group;
mod authorize_security_group_egress;
mod cancel_copy_image;
mod cancel_task;
mod codes;
mod copy_image;
mod copy_snapshot;
mod create_access_key;
mod create_command;
mod create_disk;
mod create_image;
mod create_instance;
mod create_key_pair;
mod create_policy;
mod create_resource_group;
mod create_role;
mod create_security_group;
mod create_snapshot;
mod create_user;
mod create_v_switch;
mod create_vpc;
mod delete_access_key;
mod delete_command;
mod delete_disk;
mod delete_image;
mod delete_instance;
mod delete_instances;
mod delete_key_pairs;
mod delete_policy;
mod delete_role;
mod delete_security_group;
mod delete_snapshot;
mod delete_user;
mod delete_v_switch;
mod delete_vpc;
mod describe_available_resource;
mod describe_cloud_assistant_status;
mod describe_commands;
mod describe_disks;
mod describe_eip_addresses;
mod describe_endpoints;
mod describe_image_from_family;
mod describe_image_share_permission;
mod describe_image_support_instance_types;
mod describe_images;
mod describe_instance_attribute;
mod describe_instance_status;
mod describe_instance_type_families;
mod describe_instance_types;
mod describe_instances;
mod describe_invocation_results;
mod describe_invocations;
mod describe_key_pairs;
mod describe_regions;
mod describe_resource_by_tags;
mod describe_route_table_list;
mod describe_security_group_attribute;
mod describe_security_groups;
mod describe_send_file_results;
mod describe_snapshots;
mod describe_tags;
mod describe_task_attribute;
mod describe_tasks;
mod describe_user_data;
mod describe_v_switch_attributes;
mod describe_v_switches;
mod describe_vpc_attribute;
mod describe_vpcs;
mod describe_zones;
mod detach_disk;
mod detach_key_pair;
mod detach_policy_from_role;
mod detach_policy_from_user;
mod export_image;
mod get_caller_identity;
mod get_policy;
mod get_resource_group;
mod get_role;
mod get_user;
mod groups;
mod import_image;
mod import_key_pair;
mod install_cloud_assistant;
mod instances;
mod invoke_command;
mod join_resource_group;
mod list_access_keys;
mod list_policies;
mod list_policies_for_role;
mod list_policies_for_user;
mod list_resource_groups;
mod list_roles;
mod list_tag_resources;
mod list_users;
mod lock_snapshot;
mod modify_disk_attribute;
mod modify_image_attribute;
mod modify_image_share_group_permission;
mod modify_image_share_permission;
mod modify_instance_attribute;
mod modify_security_group_attribute;
mod modify_security_group_policy;
mod modify_snapshot_attribute;
mod modify_v_switch_attribute;
mod modify_vpc_attribute;
mod network;
mod pages;
mod re_init_disk;
mod reboot_instance;
mod reboot_instances;
mod release_eip_address;
mod remove_tags;
mod replace_system_disk;
mod resize_disk;
mod revoke_security_group;
mod revoke_security_group_egress;
mod run_command;
mod run_instances;
mod send_file;
mod shape_access;
mod shape_image;
mod shape_network;
mod shape_task;
mod start_instance;
mod start_instances;
mod stop_instance;
mod stop_instances;
mod stop_invocation;
mod tag_resources;
#[cfg(test)]
mod tests_calls;
#[cfg(test)]
mod tests_contract;
#[cfg(test)]
mod tests_contract_places;
#[cfg(test)]
mod tests_contract_unserved;
#[cfg(test)]
mod tests_door;
#[cfg(test)]
mod tests_envelope;
#[cfg(test)]
mod tests_exceptions;
#[cfg(test)]
mod tests_instances;
#[cfg(test)]
mod tests_isolation;
#[cfg(test)]
mod tests_kit;
#[cfg(test)]
mod tests_network;
#[cfg(test)]
mod tests_once;
#[cfg(test)]
mod tests_soup;
#[cfg(test)]
mod tests_tree;
#[cfg(test)]
mod tests_words;
mod things;
mod types;
mod unassociate_eip_address;
mod unlock_snapshot;
mod untag_resources;
mod update_access_key;
mod words;

pub use actions::{Action, VERSIONS, find, known_name};
pub use ask::{Ask, Caller};
