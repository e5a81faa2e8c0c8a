//! Addresses and networks, and the address that a request really comes from.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer};

/// All addresses with the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    fn of(address: IpAddr, bits: u8) -> Self {
        let address = address.to_canonical();
        let first = match address {
            IpAddr::V4(v4) => {
                Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into()
            }
            IpAddr::V6(v6) => {
                Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into()
            }
        };
        Self { first, bits }
    }

    /// The network of one subscriber: one IPv4 address, or 64 bits of IPv6, in which every computer chooses its own
    /// addresses.
    pub fn near(address: IpAddr) -> Self {
        match address.to_canonical() {
            v4 @ IpAddr::V4(_) => Self::of(v4, 32),
            v6 @ IpAddr::V6(_) => Self::of(v6, 64),
        }
    }

    /// The network that one organisation, or one who rents computers, easily gets.
    pub fn wide(address: IpAddr) -> Self {
        match address.to_canonical() {
            v4 @ IpAddr::V4(_) => Self::of(v4, 24),
            v6 @ IpAddr::V6(_) => Self::of(v6, 48),
        }
    }

    /// Whether it is a single address.
    pub fn is_one_address(&self) -> bool {
        self.bits == if self.first.is_ipv4() { 32 } else { 128 }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.to_canonical().is_ipv4() == self.first.is_ipv4() && Self::of(address, self.bits) == *self
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.first, self.bits)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("“{text}” is no address like 192.0.2.1 and no network like 10.0.0.0/8");
        let (address, bits) = text.trim().split_once('/').map_or((text.trim(), None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let address = address.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Self::of(address, bits)) }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The client's address: the peer, or what trusted proxies report. Each proxy appends the address that it was contacted
/// from, maybe in a line of its own. Read from the end, the first address that is not a trusted proxy is the last one
/// that a trusted proxy has seen. Everything before it is a claim of the client. Whatever bytes it holds, it changes
/// nothing of what the proxy appended.
pub fn client<'a>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut named = lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    while trusted(client) {
        match named.next().and_then(|name| address(str::from_utf8(name).ok()?)) {
            Some(next) => client = next,
            None => break,
        }
    }
    client
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let alone = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>();
    alone.ok().or_else(|| text.parse::<SocketAddr>().ok().map(|s| s.ip())).map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_parsed_and_contain_their_addresses() {
        let table = [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "192.0.2.7", false),
            ("2001:db8::/32", "2001:db8:9::1", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::1", "192.0.2.7", false),
            ("192.0.2.7", "2001:db8::1", false),
        ];
        for (network, address, inside) in table {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/x", "proxy", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        let near = |a: &str| Network::near(a.parse().unwrap());
        let wide = |a: &str| Network::wide(a.parse().unwrap());
        assert_eq!(near("2001:db8:1:2::3"), near("2001:db8:1:2:ffff::"));
        assert_ne!(near("2001:db8:1:2::3"), near("2001:db8:1:3::3"));
        assert_eq!(wide("2001:db8:1:2::3"), wide("2001:db8:1:9::3"));
        assert_eq!(wide("192.0.2.1"), wide("192.0.2.200"));
        assert_ne!(near("192.0.2.1"), near("192.0.2.2"));
        assert_eq!(near("::ffff:192.0.2.1"), near("192.0.2.1"));
    }

    #[test]
    fn only_addresses_seen_by_a_trusted_proxy_count() {
        let table: [(&str, &[&str], &str); 16] = [
            // No trusted proxy: the peer, whatever it claims.
            ("203.0.113.9", &["192.0.2.1"], "203.0.113.9"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            // The client's claims come before what the proxy appends, in the same line or in another.
            ("10.0.0.1", &["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1,192.0.2.1,10.0.0.2"], "192.0.2.1"),
            // A client that claims to be a trusted proxy gains nothing but that address.
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1", ""], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // Whatever bytes a claim has, what the proxy appended counts.
            ("10.0.0.1", &["ü, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["ü,192.0.2.1,10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.1, ü"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ];
        let trusted: Network = "10.0.0.0/8".parse().unwrap();
        for (peer, lines, expected) in table {
            let found =
                client(peer.parse().unwrap(), lines.iter().map(|line| line.as_bytes()), |a| trusted.contains(a));
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
    }
}
