// SPDX-License-Identifier: Apache-2.0
//! Tunnels: their kinds, which of them are opened, and what is remembered of those that a packet came through.
//!
//! A header that cannot be a tunnel's (another version, a reserved bit, contents that are neither IP nor Ethernet) is no
//! error: the packet is that of the outer addresses. Limits: [`LAYERS_MAXIMUM`] tunnels inside each other; encrypted ones
//! (ESP, L2TP or GTP with IPsec inside) are opaque.

/// A kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TunnelKind {
    /// IPv4 or IPv6 in either (RFC 2003, RFC 4213, RFC 2473).
    IpInIp,
    /// RFC 2784 and RFC 2890.
    Gre,
    /// Types I, II and III (draft-foschiano-erspan).
    Erspan,
    /// RFC 7348; the second port is that of its generic protocol extension.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// User data of mobile networks, version 1 (3GPP TS 29.281).
    GtpU,
    /// RFC 3032, RFC 4023, RFC 4448.
    Mpls,
    /// RFC 2516.
    Pppoe,
    /// RFC 2661 and, with Ethernet, RFC 3931.
    L2tp,
    /// PPP in GRE (RFC 2637).
    Pptp,
}

impl TunnelKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::IpInIp,
        Self::Gre,
        Self::Erspan,
        Self::Vxlan,
        Self::Geneve,
        Self::GtpU,
        Self::Mpls,
        Self::Pppoe,
        Self::L2tp,
        Self::Pptp,
    ];

    /// The name in events and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpInIp => "ipip",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::GtpU => "gtp",
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::L2tp => "l2tp",
            Self::Pptp => "pptp",
        }
    }

    /// The UDP ports of this kind unless the settings name others.
    pub const fn standard_ports(self) -> &'static [u16] {
        match self {
            Self::Vxlan => &[4789, 4790],
            Self::Geneve => &[6081],
            Self::GtpU => &[2152],
            Self::L2tp => &[1701],
            _ => &[],
        }
    }

    /// Whether the port may be the sender's alone: an initiator of L2TP chooses its own, and some senders of GTP-U do.
    const fn counts_by_source(self) -> bool {
        matches!(self, Self::L2tp | Self::GtpU)
    }

    /// Whether it brings what a mirror saw, not the traffic of a network of its own.
    pub const fn is_mirror(self) -> bool {
        matches!(self, Self::Erspan)
    }

    /// Whether both directions have the same id. The others' ids are given by the receiver.
    pub const fn has_shared_id(self) -> bool {
        matches!(self, Self::Gre | Self::Erspan | Self::Vxlan | Self::Geneve | Self::Pppoe)
    }
}

/// How many tunnels inside each other are opened at most.
pub const LAYERS_MAXIMUM: usize = 4;
/// How many UDP ports of tunnels there can be.
pub const PORTS_MAXIMUM: usize = 16;

/// Which tunnels are opened (`wirebeat.tunnels`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunneling {
    /// A bit for each kind.
    opened: u16,
    /// At most so many inside each other.
    depth: u8,
    /// 0 where there is none.
    ports: [u16; PORTS_MAXIMUM],
    kinds: [TunnelKind; PORTS_MAXIMUM],
    /// Those of L2TP and GTP-U, which may be the sender's alone.
    source_ports: [u16; PORTS_MAXIMUM],
}

impl Tunneling {
    /// No tunnel.
    pub const CLOSED: Self = Self {
        opened: 0,
        depth: LAYERS_MAXIMUM as u8,
        ports: [0; PORTS_MAXIMUM],
        kinds: [TunnelKind::Vxlan; PORTS_MAXIMUM],
        source_ports: [0; PORTS_MAXIMUM],
    };

    /// Every kind on its standard ports.
    pub const STANDARD: Self = {
        let mut all = Self::CLOSED;
        let mut number = 0;
        while number < TunnelKind::ALL.len() {
            let kind = TunnelKind::ALL[number];
            all = match all.opened(kind, kind.standard_ports()) {
                Some(more) => more,
                None => panic!("there is room for all standard ports"),
            };
            number += 1;
        }
        all
    };

    /// Opens at most so many tunnels inside each other.
    pub fn with_depth(self, depth: u8) -> Self {
        Self { depth: depth.min(LAYERS_MAXIMUM as u8), ..self }
    }

    /// Opens a kind, those over UDP on these ports. None when there is no room for so many ports.
    pub const fn opened(mut self, kind: TunnelKind, ports: &[u16]) -> Option<Self> {
        self.opened |= 1 << kind as u8;
        let (mut place, mut next) = (0, 0);
        while next < ports.len() {
            if place == PORTS_MAXIMUM {
                return None;
            }
            if self.ports[place] == 0 {
                self.ports[place] = ports[next];
                self.kinds[place] = kind;
                if kind.counts_by_source() {
                    self.source_ports[place] = ports[next];
                }
                next += 1;
            }
            place += 1;
        }
        Some(self)
    }

    /// Whether a kind is opened at all.
    pub const fn opens(&self, kind: TunnelKind) -> bool {
        self.opened & (1 << kind as u8) != 0
    }

    /// The UDP ports of tunnels, each with its kind.
    pub fn udp_ports(&self) -> impl Iterator<Item = (u16, TunnelKind)> + '_ {
        self.ports.iter().copied().zip(self.kinds).filter(|(port, _)| *port != 0)
    }

    /// Whether a further tunnel of this kind is opened inside of those in `layers`.
    #[inline]
    pub(super) fn admits(&self, kind: TunnelKind, layers: &TunnelLayers) -> bool {
        self.opens(kind) && layers.depth < self.depth
    }

    /// The kind of tunnel that UDP ports belong to.
    #[inline]
    pub(super) fn by_ports(&self, source: u16, destination: u16) -> Option<TunnelKind> {
        // Without a way out of the loop all are compared at once, in vector registers.
        let pairs = self.ports.iter().zip(&self.source_ports);
        let known =
            pairs.fold(false, |known, (port, source_port)| known | (*port == destination) | (*source_port == source));
        if known { self.kind_of(source, destination) } else { None }
    }

    #[cold]
    fn kind_of(&self, source: u16, destination: u16) -> Option<TunnelKind> {
        let kind = |port: u16| self.udp_ports().find(|(known, _)| *known == port).map(|(_, kind)| kind);
        kind(destination).or_else(|| kind(source).filter(|kind| kind.counts_by_source()))
    }
}

impl Default for Tunneling {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// The tunnels that a packet came through, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelLayers {
    ids: [u32; LAYERS_MAXIMUM],
    kinds: [Option<TunnelKind>; LAYERS_MAXIMUM],
    /// A bit for each layer that has an id.
    with_id: u8,
    depth: u8,
    /// How many VLAN tags are outside of the innermost tunnel.
    outside_vlans: u8,
}

impl TunnelLayers {
    /// No tunnel.
    #[inline]
    pub const fn new() -> Self {
        Self { ids: [0; LAYERS_MAXIMUM], kinds: [None; LAYERS_MAXIMUM], with_id: 0, depth: 0, outside_vlans: 0 }
    }

    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.depth == 0
    }

    /// Kind and id of each, outermost first. The id is a VNI, key, session, TEID, the bottom label; of L2TP the tunnel's in the
    /// upper half and the session's in the lower.
    pub fn iter(&self) -> impl Iterator<Item = (TunnelKind, Option<u32>)> + '_ {
        let with_id = self.with_id;
        self.kinds
            .iter()
            .zip(self.ids)
            .enumerate()
            .filter_map(move |(place, (kind, id))| kind.map(|kind| (kind, (with_id & 1 << place != 0).then_some(id))))
    }

    /// How many VLAN tags are outside of the innermost tunnel.
    pub fn outside_vlans(&self) -> usize {
        usize::from(self.outside_vlans)
    }

    /// Whether the innermost is a mirror's.
    pub fn end_in_mirror(&self) -> bool {
        self.iter().last().is_some_and(|(kind, _)| kind.is_mirror())
    }

    /// Whether all are IP in IP, which Packetbeat opens too.
    pub fn is_ip_in_ip(&self) -> bool {
        !self.is_empty() && self.iter().all(|(kind, _)| kind == TunnelKind::IpInIp)
    }

    /// Notes a further tunnel, inside of `vlans` VLAN tags.
    pub(super) fn push(&mut self, kind: TunnelKind, id: Option<u32>, vlans: usize) {
        let place = usize::from(self.depth);
        let (Some(slot), Some(slot_of_id)) = (self.kinds.get_mut(place), self.ids.get_mut(place)) else { return };
        *slot = Some(kind);
        if let Some(id) = id {
            *slot_of_id = id;
            self.with_id |= 1 << place;
        }
        self.depth += 1;
        // PPPoE does not leave its VLAN, which is the subscriber's.
        if kind != TunnelKind::Pppoe {
            self.outside_vlans = u8::try_from(vlans).unwrap_or(u8::MAX);
        }
    }
}
