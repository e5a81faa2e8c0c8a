//! Where the addresses that administrators configure may lead: webhooks, service desks, sign-in providers, directories
//! and mailboxes. Not to this machine, and not to the metadata service of a cloud. A name is resolved once, and the
//! connection goes to the address that was checked.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use tokio::net::TcpStream;
use ureq::unversioned::{
    resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
    transport::NextTimeout,
};

use crate::network::Network;

/// Networks that are allowed unless the configuration names others: service desks are in an organisation's own network.
const USUAL: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
/// Metadata services of clouds outside of the link-local networks: allowed only when named explicitly.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// The rule: public addresses are allowed, others when a network of the configuration contains them.
#[derive(Clone, Debug)]
pub struct Outbound {
    networks: Vec<Network>,
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new(USUAL.iter().map(|n| n.parse().expect("the default networks are valid")).collect())
    }
}

/// The address is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("this server does not connect to {0} (outbound_networks says where it may)")]
pub struct Forbidden(IpAddr);

impl Outbound {
    /// Allows connections into these networks, besides public addresses.
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks }
    }

    fn allows(&self, address: IpAddr) -> bool {
        let address = embedded(address);
        let named = |n: &&Network| n.contains(address);
        match address {
            _ if METADATA.contains(&address) => self.networks.iter().filter(named).any(Network::is_one_address),
            _ if is_public(address) => true,
            _ => self.networks.iter().any(|n| n.contains(address)),
        }
    }

    /// The addresses of a host that are allowed.
    fn admitted(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        let (good, bad): (Vec<_>, Vec<_>) = found.partition(|a| self.allows(a.ip()));
        match bad.first() {
            Some(first) if good.is_empty() => Err(Forbidden(first.ip())),
            _ => Ok(good),
        }
    }

    /// Connects to a host, at an address that was checked.
    pub async fn connect(&self, host: &str, port: u16, patience: Duration) -> Result<TcpStream, String> {
        let unreachable = |e: &dyn std::fmt::Display| format!("{host} cannot be reached: {e}.");
        let connected = async {
            let found = tokio::net::lookup_host((host, port)).await.map_err(|e| unreachable(&e))?;
            let admitted = self.admitted(found).map_err(|e| unreachable(&e))?;
            TcpStream::connect(&admitted[..]).await.map_err(|e| unreachable(&e))
        };
        let connected = tokio::time::timeout(patience, connected).await;
        connected.map_err(|_| unreachable(&"it does not answer in time"))?
    }
}

/// The IPv4 address that an IPv6 address embeds (RFC 4291, 2.5.5; RFC 6052; RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Whether an address belongs to the public Internet (registries of special addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    let within = |networks: &[&str]| networks.iter().any(|n| Network::from_str(n).is_ok_and(|n| n.contains(address)));
    match address {
        IpAddr::V4(_) => !within(&[
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ]),
        // Global unicast, without documentation and tunnel networks.
        IpAddr::V6(_) => within(&["2000::/3"]) && !within(&["2001::/23", "2001:db8::/32", "3fff::/20"]),
    }
}

/// Resolves names for requests, and keeps the allowed addresses.
#[derive(Debug)]
pub struct CheckedResolver(pub Outbound);

impl Resolver for CheckedResolver {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let admitted = self.0.admitted(found.iter().copied()).map_err(|e| ureq::Error::Other(Box::new(e)))?;
        let mut kept = self.empty();
        admitted.into_iter().for_each(|address| kept.push(address));
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(outbound: &Outbound, address: &str) -> bool {
        outbound.allows(address.parse().unwrap())
    }

    #[test]
    fn public_and_private_addresses_are_allowed_and_this_machine_is_not() {
        let usual = Outbound::default();
        for good in ["8.8.8.8", "10.1.2.3", "172.31.0.1", "192.168.1.1", "2606:4700::1111", "fd12::1", "::ffff:8.8.8.8"]
        {
            assert!(allows(&usual, good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.8.9.10",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
        ] {
            assert!(!allows(&usual, bad), "{bad}");
        }
    }

    #[test]
    fn configured_networks_replace_the_default_ones() {
        let networks = |list: &[&str]| Outbound::new(list.iter().map(|n| n.parse().unwrap()).collect());
        let own = networks(&["127.0.0.1", "169.254.0.0/16", "100.64.0.0/10", "fd00:ec2::254"]);
        let table = [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.0.0.1", false),
            ("169.254.169.254", true),
            ("100.64.0.1", true),
            ("100.100.100.200", false),
            ("fd00:ec2::254", true),
            ("fd00:ec2::255", false),
            ("8.8.8.8", true),
        ];
        for (address, expected) in table {
            assert_eq!(allows(&own, address), expected, "{address}");
        }
        assert!(allows(&networks(&["0.0.0.0/0"]), "127.0.0.1"));
        for wrong in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/x", "localhost"] {
            assert!(Network::from_str(wrong).is_err(), "{wrong}");
        }
    }
}
