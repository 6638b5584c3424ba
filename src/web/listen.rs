//! Where to listen, as the Prometheus exporters write it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// Reads `:port`, `host:port` or `[ipv6]:port`. Without a host, all addresses are meant.
pub fn parse_address(text: &str) -> Result<(Option<String>, u16), String> {
    let fault = || format!("`{text}` is no address; write :10064, 127.0.0.1:10064 or [::1]:10064");
    let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
    let port = port.parse().map_err(|_| fault())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok(((!host.is_empty()).then(|| host.to_string()), port))
}

/// Listens on an address. Without a host: on IPv6 and IPv4, or IPv4 alone where the machine has no IPv6.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    let (host, port) = parse_address(address).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    match host {
        Some(host) => TcpListener::bind((host.as_str(), port)).await,
        None => match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)).await {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(e),
            Err(_) => TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).await,
            listening => listening,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_exporters_write_them() {
        assert_eq!(parse_address(":10064"), Ok((None, 10_064)));
        assert_eq!(parse_address("127.0.0.1:1"), Ok((Some("127.0.0.1".to_string()), 1)));
        assert_eq!(parse_address("[::1]:9"), Ok((Some("::1".to_string()), 9)));
        assert!(parse_address("10064").is_err());
        assert!(parse_address(":http").is_err());
    }
}
