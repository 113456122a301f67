"""Wrong rules: one entry of spec.route or spec.svc each, and every sentence about it.

The sentences lack what they all begin with: the file, and spec.route[0] or spec.svc[0].
"""
# ruff: noqa: E501 - sentences stand here as they are printed

from __future__ import annotations

NETWORKS = r"""
host-bits: {dst: 172.16.0.1/16, dev: eth1}
  .dst: '172.16.0.1/16' has host bits set; did you mean 172.16.0.0/16?
host-bits-ipv6: {dst: 2001:DB8::1/64, dev: eth1}
  .dst: '2001:DB8::1/64' has host bits set; did you mean 2001:db8::/64?
host-bits-of-default: {dst: 10.0.0.1/0, dev: eth1}
  .dst: '10.0.0.1/0' has host bits set; did you mean 0.0.0.0/0?
no-address: {dst: 172.16.0, dev: eth1}
  .dst: '172.16.0' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
host-name: {dst: example.com, dev: eth1}
  .dst: 'example.com' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
dst-blank-inside: {dst: '10.0.0.0 /8', dev: eth1}
  .dst: '10.0.0.0 /8' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
dst-empty: {dst: '', dev: eth1}
  .dst: is empty; write a CIDR like 172.16.0.0/16, or default
dst-blank: {dst: '  ', dev: eth1}
  .dst: is empty; write a CIDR like 172.16.0.0/16, or default
dst-missing: {dev: eth1}
  .dst: is missing; write {dst: 172.16.0.0/16, dev: eth1}
dst-null: {dst: null, dev: eth1}
  .dst: is missing; write {dst: 172.16.0.0/16, dev: eth1}
dst-number: {dst: 10, dev: eth1}
  .dst: must be a string, not the number 10; put it in quotes
dst-float: {dst: 10.5, dev: eth1}
  .dst: must be a string, not the number 10.5; put it in quotes
dst-boolean: {dst: true, dev: eth1}
  .dst: must be a string, not true; put it in quotes
dst-list: {dst: [10.0.0.0/8], dev: eth1}
  .dst: must be a string, not a list
dst-mapping: {dst: {cidr: 10.0.0.0/8}, dev: eth1}
  .dst: must be a string, not a mapping
dst-any: {dst: any, dev: eth1}
  .dst: 'any' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
dst-Default: {dst: Default, dev: eth1}
  .dst: 'Default' is not a CIDR or an IP address; did you mean default?
length-over-32: {dst: 10.0.0.0/33, dev: eth1}
  .dst: '10.0.0.0/33' is not a CIDR; write a number from 0 to 32 after the '/'
length-over-128: {dst: '2001:db8::/129', dev: eth1}
  .dst: '2001:db8::/129' is not a CIDR; write a number from 0 to 128 after the '/'
length-negative: {dst: 10.0.0.0/-1, dev: eth1}
  .dst: '10.0.0.0/-1' is not a CIDR; write a number from 0 to 32 after the '/'
length-leading-zero: {dst: 10.0.0.0/08, dev: eth1}
  .dst: '10.0.0.0/08' is not a CIDR; write a number from 0 to 32 after the '/'
length-missing: {dst: 10.0.0.0/, dev: eth1}
  .dst: '10.0.0.0/' is not a CIDR; write a number from 0 to 32 after the '/'
netmask: {dst: 10.0.0.0/255.0.0.0, dev: eth1}
  .dst: '10.0.0.0/255.0.0.0' is not a CIDR; write a number from 0 to 32 after the '/'
leading-zero: {dst: 010.0.0.0/8, dev: eth1}
  .dst: '010.0.0.0/8' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
two-slashes: {dst: 10.0.0.0/8/8, dev: eth1}
  .dst: '10.0.0.0/8/8' is not a CIDR; write a number from 0 to 32 after the '/'
zone: {dst: 'fe80::%eth1/64', dev: eth1}
  .dst: 'fe80::%eth1/64' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
link-local: {dst: 'fe80::/10', dev: eth1}
  .dst: 'fe80::/10' is link-local (fe80::/10), which each NIC has for itself; leave the entry out
link-local-host: {dst: 'fe80::1', dev: eth1}
  .dst: 'fe80::1' is link-local (fe80::/10), which each NIC has for itself; leave the entry out
link-local-host-bits: {dst: 'fe80::1/64', dev: eth1}
  .dst: 'fe80::1/64' is link-local (fe80::/10), which each NIC has for itself; leave the entry out
multicast6: {dst: 'ff02::1', dev: eth1}
  .dst: 'ff02::1' is multicast (ff00::/8), which no rule serves; leave the entry out
multicast6-all: {dst: 'ff00::/8', dev: eth1}
  .dst: 'ff00::/8' is multicast (ff00::/8), which no rule serves; leave the entry out
multicast4: {dst: 239.1.0.0/16, dev: eth1}
  .dst: '239.1.0.0/16' is multicast (224.0.0.0/4), which no rule serves; leave the entry out
multicast4-all: {dst: 224.0.0.0/4, dev: eth1}
  .dst: '224.0.0.0/4' is multicast (224.0.0.0/4), which no rule serves; leave the entry out
loopback4: {dst: 127.0.0.1, dev: eth1}
  .dst: '127.0.0.1' is the loopback (127.0.0.0/8), the pod itself; leave the entry out
loopback4-all: {dst: 127.0.0.0/8, dev: eth1}
  .dst: '127.0.0.0/8' is the loopback (127.0.0.0/8), the pod itself; leave the entry out
loopback6: {dst: '::1', dev: eth1}
  .dst: '::1' is the loopback (::1), the pod itself; leave the entry out
unspecified4: {dst: 0.0.0.0, dev: eth1}
  .dst: '0.0.0.0' is no destination; did you mean default?
unspecified6: {dst: '::/128', dev: eth1}
  .dst: '::/128' is no destination; did you mean default6?
mapped: {dst: '::ffff:10.0.0.0/104', dev: eth1}
  .dst: '::ffff:10.0.0.0/104' is an IPv4 network in IPv6 notation; write it as IPv4
dev-missing: {dst: 10.0.0.0/8}
  .dev: is missing; name the pod's NIC, like eth1
dev-null: {dst: 10.0.0.0/8, dev: ~}
  .dev: is missing; name the pod's NIC, like eth1
dev-empty: {dst: 10.0.0.0/8, dev: ' '}
  .dev: is empty; name the pod's NIC, like eth1
dev-lo: {dst: 10.0.0.0/8, dev: lo}
  .dev: 'lo' is the loopback; name the pod's NIC, like eth1
dev-long: {dst: 10.0.0.0/8, dev: enp0s31f6.12345x}
  .dev: 'enp0s31f6.12345x' is too long for a NIC's name; the kernel takes 15 bytes
dev-long-in-bytes: {dst: 10.0.0.0/8, dev: ööööööööx0}
  .dev: 'ööööööööx0' is too long for a NIC's name; the kernel takes 15 bytes
dev-slash: {dst: 10.0.0.0/8, dev: eth/1}
  .dev: 'eth/1' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-colon: {dst: 10.0.0.0/8, dev: 'eth1:0'}
  .dev: 'eth1:0' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-blank: {dst: 10.0.0.0/8, dev: eth 1}
  .dev: 'eth 1' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-tab: {dst: 10.0.0.0/8, dev: "eth\t1"}
  .dev: 'eth\t1' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-blank-of-latin-1: {dst: 10.0.0.0/8, dev: "eth\_1"}
  .dev: 'eth\xa01' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-dot: {dst: 10.0.0.0/8, dev: .}
  .dev: '.' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-dots: {dst: 10.0.0.0/8, dev: ..}
  .dev: '..' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-nul: {dst: 10.0.0.0/8, dev: "eth\01"}
  .dev: 'eth\x001' is not a NIC's name; it has no blanks, '/' or ':', like eth1
dev-number: {dst: 10.0.0.0/8, dev: 1}
  .dev: must be a string, not the number 1; put it in quotes
via-number: {dst: 10.0.0.0/8, dev: eth1, via: 10}
  .via: must be a string, not the number 10; put it in quotes
via-name: {dst: 10.0.0.0/8, dev: eth1, via: gateway}
  .via: 'gateway' is not an IP address; write it like 10.124.2.1, or auto
via-cidr: {dst: 10.0.0.0/8, dev: eth1, via: 10.124.2.1/24}
  .via: '10.124.2.1/24' is not an IP address; write it like 10.124.2.1, or auto
via-zone: {dst: '2001:db8::/32', dev: eth1, via: 'fe80::1%eth1'}
  .via: 'fe80::1%eth1' is not an IP address; write it like 10.124.2.1, or auto
via-Auto: {dst: 10.0.0.0/8, dev: eth1, via: Auto}
  .via: 'Auto' is not an IP address; did you mean auto?
via-other-family: {dst: 10.0.0.0/8, dev: eth1, via: 'fe80::1'}
  .via: 'fe80::1' is IPv6, but the destination 10.0.0.0/8 is IPv4; write both in one family
via-other-family6: {dst: default6, dev: eth1, via: 10.124.2.1}
  .via: '10.124.2.1' is IPv4, but the destination ::/0 is IPv6; write both in one family
via-unspecified: {dst: 10.0.0.0/8, dev: eth1, via: 0.0.0.0}
  .via: '0.0.0.0' is the unspecified address; write it like 10.124.2.1, or auto
via-loopback: {dst: 10.0.0.0/8, dev: eth1, via: 127.0.0.1}
  .via: '127.0.0.1' is a loopback address; write it like 10.124.2.1, or auto
via-loopback6: {dst: '2001:db8::/32', dev: eth1, via: '::1'}
  .via: '::1' is a loopback address; write it like 10.124.2.1, or auto
via-multicast: {dst: 10.0.0.0/8, dev: eth1, via: 224.0.0.1}
  .via: '224.0.0.1' is a multicast address; write it like 10.124.2.1, or auto
via-multicast6: {dst: '2001:db8::/32', dev: eth1, via: 'ff02::2'}
  .via: 'ff02::2' is a multicast address; write it like 10.124.2.1, or auto
via-mapped: {dst: 10.0.0.0/8, dev: eth1, via: '::ffff:10.124.2.1'}
  .via: '::ffff:10.124.2.1' is an IPv4 address in IPv6 notation; write it like 10.124.2.1, or auto
src-other-family: {dst: 10.0.0.0/8, dev: eth1, src: '2001:db8::1'}
  .src: '2001:db8::1' is IPv6, but the destination 10.0.0.0/8 is IPv4; write both in one family
src-name: {dst: 10.0.0.0/8, dev: eth1, src: me}
  .src: 'me' is not an IP address; write it like 10.124.2.7
src-boolean: {dst: 10.0.0.0/8, dev: eth1, src: false}
  .src: must be a string, not false; put it in quotes
metric-string: {dst: 10.0.0.0/8, dev: eth1, metric: '100'}
  .metric: must be a whole number, not the string '100'; take the quotes away
metric-word: {dst: 10.0.0.0/8, dev: eth1, metric: low}
  .metric: must be a whole number, not the string 'low'
metric-negative: {dst: 10.0.0.0/8, dev: eth1, metric: -1}
  .metric: must be from 0 to 4278190079, not -1
metric-of-backups: {dst: 10.0.0.0/8, dev: eth1, metric: 0xFF000000}
  .metric: must be from 0 to 4278190079, not 4278190080
metric-over-32-bits: {dst: 10.0.0.0/8, dev: eth1, metric: 4294967296}
  .metric: must be from 0 to 4278190079, not 4294967296
metric-huge: {dst: 10.0.0.0/8, dev: eth1, metric: 10000000000000000000000000000000000000000}
  .metric: must be from 0 to 4278190079, not a huge number
metric-fraction: {dst: 10.0.0.0/8, dev: eth1, metric: 1.5}
  .metric: must be a whole number, not the number 1.5
metric-infinite: {dst: 10.0.0.0/8, dev: eth1, metric: .inf}
  .metric: must be a whole number, not the number inf
metric-nan: {dst: 10.0.0.0/8, dev: eth1, metric: .nan}
  .metric: must be a whole number, not the number nan
metric-boolean: {dst: 10.0.0.0/8, dev: eth1, metric: true}
  .metric: must be a whole number, not true
mtu-small: {dst: 10.0.0.0/8, dev: eth1, mtu: 67}
  .mtu: must be from 68 to 65520, not 67
mtu-zero: {dst: 10.0.0.0/8, dev: eth1, mtu: 0}
  .mtu: must be from 68 to 65520, not 0
mtu-large: {dst: 10.0.0.0/8, dev: eth1, mtu: 65521}
  .mtu: must be from 68 to 65520, not 65521
mtu-small-for-ipv6: {dst: '2001:db8::/32', dev: eth1, mtu: 1279}
  .mtu: must be from 1280 to 65520 for IPv6, not 1279
onlink-alone: {dst: 10.0.0.0/8, dev: eth1, onlink: true}
  .onlink: needs a via: it says that the gateway is on the link
onlink-empty-via: {dst: 10.0.0.0/8, dev: eth1, via: '', onlink: true}
  .onlink: needs a via: it says that the gateway is on the link
onlink-string: {dst: 10.0.0.0/8, dev: eth1, via: auto, onlink: 'true'}
  .onlink: must be true or false, not the string 'true'
onlink-yes: {dst: 10.0.0.0/8, dev: eth1, via: auto, onlink: yes}
  .onlink: must be true or false, not the string 'yes'
key-typo: {dst: 10.0.0.0/8, dev: eth1, vai: auto}
  : unknown key 'vai'; did you mean via?
key-upper-case: {dst: 10.0.0.0/8, dev: eth1, Metric: 5}
  : unknown key 'Metric'; did you mean metric?
key-of-netplan: {to: 10.0.0.0/8, dev: eth1, via: auto}
  : unknown key 'to'; did you mean dst?
  .dst: is missing; write {dst: 172.16.0.0/16, dev: eth1}
key-gateway: {dst: 10.0.0.0/8, dev: eth1, gateway: 10.124.2.1}
  : unknown key 'gateway'; did you mean via?
key-interface: {dst: 10.0.0.0/8, interface: eth1}
  : unknown key 'interface'; did you mean dev?
  .dev: is missing; name the pod's NIC, like eth1
key-unknown: {dst: 10.0.0.0/8, dev: eth1, table: 100}
  : unknown key 'table'; known: dst, dev, via, metric, src, mtu, onlink
key-number: {dst: 10.0.0.0/8, dev: eth1, 5: 6}
  : unknown key '5'; known: dst, dev, via, metric, src, mtu, onlink
key-of-the-short-form: {route: 10.0.0.0/8, dev: eth1}
  : unknown key 'route'; did you mean dst?
  .dst: is missing; write {dst: 172.16.0.0/16, dev: eth1}
entry-string: 10.0.0.0/8
  : must be a mapping like {dst: 172.16.0.0/16, dev: eth1}, not the string '10.0.0.0/8'
entry-null: null
  : must be a mapping like {dst: 172.16.0.0/16, dev: eth1}, not null
entry-list: [10.0.0.0/8, eth1]
  : must be a mapping like {dst: 172.16.0.0/16, dev: eth1}, not a list
entry-empty: {}
  .dst: is missing; write {dst: 172.16.0.0/16, dev: eth1}
  .dev: is missing; name the pod's NIC, like eth1
all-at-once: {dst: 10.0.0.1/8, dev: lo, via: x, metric: -1, mtu: big, onlink: 1, foo: 1}
  .dst: '10.0.0.1/8' has host bits set; did you mean 10.0.0.0/8?
  .dev: 'lo' is the loopback; name the pod's NIC, like eth1
  .via: 'x' is not an IP address; write it like 10.124.2.1, or auto
  .metric: must be from 0 to 4278190079, not -1
  .mtu: must be a whole number, not the string 'big'
  .onlink: must be true or false, not the number 1
  : unknown key 'foo'; known: dst, dev, via, metric, src, mtu, onlink
"""

SERVICES = r"""
svc-name-missing: {namespace: default, dev: eth1}
  .name: is missing; write {namespace: default, name: nginx, dev: eth1}
svc-namespace-missing: {name: nginx, dev: eth1}
  .namespace: is missing; write {namespace: default, name: nginx, dev: eth1}
svc-namespace-upper-case: {namespace: Default, name: nginx, dev: eth1}
  .namespace: 'Default' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
svc-name-dotted: {namespace: default, name: nginx.web, dev: eth1}
  .name: 'nginx.web' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
svc-name-long: {namespace: default, name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, dev: eth1}
  .name: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
svc-name-empty: {namespace: default, name: '', dev: eth1}
  .name: is empty; write a name
svc-name-dash: {namespace: default, name: nginx-, dev: eth1}
  .name: 'nginx-' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
svc-name-slash: {namespace: default, name: default/nginx, dev: eth1}
  .name: 'default/nginx' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
svc-name-number: {namespace: default, name: 8080, dev: eth1}
  .name: must be a string, not the number 8080; put it in quotes
svc-dst: {dst: 10.0.0.0/8, dev: eth1}
  : unknown key 'dst'; known: namespace, name, dev, via, metric, src, mtu, onlink
  .namespace: is missing; write {namespace: default, name: nginx, dev: eth1}
  .name: is missing; write {namespace: default, name: nginx, dev: eth1}
svc-string: default/nginx
  : must be a mapping like {namespace: default, name: nginx, dev: eth1}, not the string 'default/nginx'
svc-onlink-alone: {namespace: default, name: nginx, dev: eth1, onlink: true}
  .onlink: needs a via: it says that the gateway is on the link
"""
