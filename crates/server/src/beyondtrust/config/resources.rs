//! The lists that the specifications of the Configuration API define, for both of the original's products, with their
//! filters. Those that Deskside has no data for are empty.

use serde_json::{Map, Value, json};

/// A list.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its path below the API's; `{}` stands for an id.
    pub path: &'static str,
    /// The query parameters that filter it.
    pub filters: &'static [&'static str],
}

const ITEM: &[&str] = &["name", "hostname", "jump_group_id", "jump_group_type", "jumpoint_id", "tag"];
const CLIENT: &[&str] = &[
    "name",
    "hostname",
    "fqdn",
    "tag",
    "jump_group_id",
    "jump_group_type",
    "console_user",
    "public_ip",
    "private_ip",
    "connection_type",
];
const NAME: &[&str] = &["id", "name"];
const NAMES: &[&str] = &["id", "name", "code_name"];
const MEMBER: &[&str] = &["user_id", "security_provider_id", "role"];

/// All lists.
pub const LISTS: &[Resource] = &[
    // People.
    list(
        "/user",
        &[
            "id",
            "security_provider_id",
            "username",
            "email_address",
            "public_display_name",
            "private_display_name",
            "enabled",
            "two_factor_enabled",
        ],
    ),
    list("/user/{}/group-policies", NAME),
    list("/team", NAMES),
    list("/team/{}/user", MEMBER),
    list("/security-provider", &["id", "name", "type", "enabled"]),
    list("/group-policy", NAME),
    list("/group-policy/{}/member", MEMBER),
    list("/group-policy/{}/team", NAME),
    list("/group-policy/{}/jumpoint", NAME),
    list("/group-policy/{}/jump-group", NAME),
    list("/group-policy/{}/vault-account", NAME),
    list("/group-policy/{}/vault-account-group", NAME),
    list("/vendor", NAME),
    list("/vendor/{}/user", MEMBER),
    // The installation.
    list("/api-account", &["id", "name", "client_id", "enabled"]),
    list("/public-portal", NAME),
    list("/rep-status", &["id", "name", "code_name", "display_as"]),
    list("/session-policy", &["id", "display_name", "code_name"]),
    // Unattended access.
    list("/jump-client", CLIENT),
    list("/jump-client/installer", CLIENT),
    list("/jump-group", NAMES),
    list("/jump-group/{}/user", MEMBER),
    list("/jump-item-role", NAME),
    list(
        "/jump-item/remote-rdp",
        &["name", "hostname", "jump_group_id", "jump_group_type", "jumpoint_id", "endpoint_id", "tag"],
    ),
    list("/jump-item/remote-vnc", ITEM),
    list("/jump-item/shell-jump", ITEM),
    list("/jump-item/psql-tunnel-jump", ITEM),
    list("/jump-item/mysql-tunnel-jump", ITEM),
    list("/jump-item/protocol-tunnel-jump", ITEM),
    list("/jump-item/network-tunnel-jump", ITEM),
    list("/jump-item/web-jump", &["name", "url", "jump_group_id", "jump_group_type", "jumpoint_id", "tag"]),
    list("/jump-policy", NAMES),
    list("/jump-policy/{}/schedule", &[]),
    list("/jump-approval/{}", &["state"]),
    list("/jumpoint", &["id", "name", "public_ip", "private_ip", "hostname", "code_name"]),
    list("/jumpoint/{}/node", &[]),
    list("/jumpoint/{}/user", MEMBER),
    // Credentials.
    list("/vault/account", &["type", "name", "include_personal", "account_group_id", "endpoint_id"]),
    list("/vault/account/{}/user", MEMBER),
    list("/vault/account-group", NAME),
    list("/vault/account-group/{}/user", MEMBER),
    list("/vault/account-group/{}/account", NAME),
    list("/vault/account-policy", NAMES),
    list("/vault/endpoint", &["name", "hostname", "description", "domain_name"]),
    // Scripts for many computers.
    list(
        "/endpoint-automation/endpoint",
        &["operating_system", "names", "tags", "hostname", "public_ip", "private_ip", "jump_group_id"],
    ),
    list("/endpoint-automation/job", NAME),
    list("/endpoint-automation/job/{}/execution", &[]),
    list("/endpoint-automation/resource", &[]),
    list("/endpoint-automation/script", &[]),
    list("/endpoint-automation/script/{}/resource", &[]),
];

const fn list(path: &'static str, filters: &'static [&'static str]) -> Resource {
    Resource { path, filters }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The list at an address.
pub fn find(path: &str) -> Option<&'static Resource> {
    let fits = |resource: &&Resource| {
        let (mut wanted, mut given) = (resource.path.split('/'), path.split('/'));
        let each = wanted.by_ref().zip(given.by_ref()).all(|(w, g)| w == g || (w == "{}" && is_number(g)));
        each && resource.path.split('/').count() == path.split('/').count()
    };
    LISTS.iter().find(fits)
}

/// Whether a path names one item of a list.
pub fn is_one(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(list, one)| is_number(one) && find(list).is_some())
}

/// The OpenAPI document of the lists. JSON is YAML.
pub fn document(server: &str) -> Value {
    let paging = ["per_page", "current_page"];
    let parameter = |name: &&str| json!({ "in": "query", "name": name, "schema": { "type": "string" } });
    let mut paths = Map::new();
    for resource in LISTS {
        let parameters: Vec<Value> = paging.iter().chain(resource.filters).map(parameter).collect();
        let answer = json!({ "200": { "description": "A page of the list." } });
        let get = json!({ "parameters": parameters, "responses": answer });
        paths.insert(resource.path.replace("{}", "{id}"), json!({ "get": get }));
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Deskside: the lists of the Configuration API", "version": "1.10" },
        "servers": [{ "url": server }],
        "paths": paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_list_or_one_of_its_items() {
        let table = [
            ("/jump-client", Some("/jump-client"), false),
            ("/vault/account", Some("/vault/account"), false),
            ("/vendor/7/user", Some("/vendor/{}/user"), false),
            ("/vendor/x/user", None, false),
            ("/vendor/7", None, true),
            ("/vendor/7/user/8", None, true),
            ("/jump-client/installer", Some("/jump-client/installer"), false),
            ("/jump-client/", None, false),
            ("/jump-client/-1", None, false),
            ("/nothing", None, false),
            ("", None, false),
        ];
        for (path, list, one) in table {
            assert_eq!((find(path).map(|r| r.path), is_one(path)), (list, one), "{path}");
        }
        let all: std::collections::BTreeSet<_> = LISTS.iter().map(|r| r.path).collect();
        assert_eq!(all.len(), LISTS.len(), "each stands once");
    }
}
