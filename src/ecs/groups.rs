//! What actions about resource groups read and show alike.

use service::{GroupQuery, GroupView, Groups, NetworkRequest, Request, Started};
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

    /// The resource group that something new is to be put in, which has to be there.
    pub(crate) async fn group_of_new(&self) -> Result<Option<String>, Fault> {
        let Some(named) = self.params.text("ResourceGroupId") else { return Ok(None) };
        self.group(named).await.map(|group| Some(group.group_id))
    }

    /// Puts something new, that is there already, in a resource group. It is a request of its own, without the token
    /// of the one it is part of: asked once more with that, it is put there once more, which changes nothing.
    pub(crate) async fn put_in_group(&self, resource: &str, group: Option<String>) -> Result<(), Fault> {
        let Some(group) = group else { return Ok(()) };
        let join = NetworkRequest::GroupJoin { resource: resource.to_owned(), group };
        let started: Started = self.look(Request::Network(join)).await?;
        self.finished(started.workflow_id).await.map(drop)
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
