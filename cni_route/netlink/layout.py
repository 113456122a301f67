"""Numbers and layouts of linux/rtnetlink.h that routes are written and read with."""

from __future__ import annotations

from struct import Struct

RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26

RTA_DST = 1
RTA_SRC = 2
RTA_IIF = 3
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_PREFSRC = 7
RTA_METRICS = 8
RTA_MULTIPATH = 9
RTA_FLOW = 11
RTA_CACHEINFO = 12
RTA_TABLE = 15
RTA_MARK = 16
RTA_MFC_STATS = 17
RTA_VIA = 18
RTA_PREF = 20
RTA_ENCAP_TYPE = 21
RTA_ENCAP = 22
RTA_EXPIRES = 23
RTA_PAD = 24
RTA_UID = 25
RTA_NH_ID = 30

RTAX_MTU = 2
RTM_F_CLONED = 0x200
RTNH_F_ONLINK = 4
RTPROT_RA = 9
RTN_BLACKHOLE = 6
RT_TABLE_COMPAT = 252  # stands in the header where the table's number does not fit

RTMSG = Struct("=8BI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
NEXTHOP = Struct("=HBBi")  # rtnexthop: length, flags, weight - 1, interface
FAMILY = Struct("=H")
