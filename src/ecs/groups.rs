//! What actions about resource groups read and show alike.

use service::{GroupQuery, GroupView, Groups, NetworkRequest, Request};
use wire::{Fault, Object};

use crate::ask::Ask;

impl Ask {
    /// Those resource groups that are meant.
    pub(crate) async fn groups(&self, query: GroupQuery) -> Result<Groups, Fault> {
        self.look(Request::Network(NetworkRequest::GroupList(query))).await
    }

    /// The resource group of an id.
    pub(crate) async fn group(&self, id: &str) -> Result<GroupView, Fault> {
        let query = GroupQuery { id: Some(id.to_owned()), ..GroupQuery::default() };
        let found = self.groups(query).await?.groups.pop();
        found.ok_or_else(|| self.refused(domain::rules::group_not_found(id)))
    }
}

/// A resource group in a list.
pub(crate) fn group(group: &GroupView) -> Object {
    Object::new()
        .put("Id", &group.group_id)
        .put("Name", &group.name)
        .put("DisplayName", &group.display_name)
        .put("AccountId", &group.account_id)
        .put("Status", "OK")
        .put("CreateDate", &group.creation_time)
}
