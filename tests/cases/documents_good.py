"""Right documents, and what they become: the canonical spec, or all of the canonical document.

RULES: entries of spec.route or spec.svc, and behind "= " the canonical entry. SHORT: whole files
named t.yaml that hold no Route, and the canonical spec. FILES: whole files, and each Route in them.
"""
# ruff: noqa: E501 - one case, one line

from __future__ import annotations

NETWORKS = r"""
network: {dst: 172.16.10.0/24, dev: eth1}
  = {dst: 172.16.10.0/24, dev: eth1}
by-a-gateway: {dst: 10.124.0.0/16, dev: eth1, via: 10.124.2.1}
  = {dst: 10.124.0.0/16, dev: eth1, via: 10.124.2.1}
default: {dst: default, dev: eth1, via: auto}
  = {dst: default, dev: eth1, via: auto}
default-as-cidr: {dst: 0.0.0.0/0, dev: eth1}
  = {dst: default, dev: eth1}
default6: {dst: default6, dev: eth1, via: 'fe80::1'}
  = {dst: default6, dev: eth1, via: 'fe80::1'}
default6-as-cidr: {dst: '::/0', dev: eth1}
  = {dst: default6, dev: eth1}
host: {dst: 10.0.0.1, dev: eth1}
  = {dst: 10.0.0.1/32, dev: eth1}
host6: {dst: '2001:db8::1', dev: eth1}
  = {dst: '2001:db8::1/128', dev: eth1}
ipv6-in-full: {dst: 2001:0DB8:0:0:0:0:0:0/32, dev: eth1}
  = {dst: '2001:db8::/32', dev: eth1}
ipv6-that-yaml-1.1-takes-for-a-number: {dst: 2001:10:20:30:40:50:0:1, dev: eth1}
  = {dst: '2001:10:20:30:40:50:0:1/128', dev: eth1}
blanks-around: {dst: ' 10.0.0.0/8 ', dev: "\teth1\n", via: ' auto ', src: ' 10.1.1.1'}
  = {dst: 10.0.0.0/8, dev: eth1, via: auto, src: 10.1.1.1}
via-empty: {dst: 10.0.0.0/8, dev: eth1, via: ''}
  = {dst: 10.0.0.0/8, dev: eth1}
via-blank: {dst: 10.0.0.0/8, dev: eth1, via: '  '}
  = {dst: 10.0.0.0/8, dev: eth1}
nulls: {dst: 10.0.0.0/8, dev: eth1, via: null, metric: ~, src: , mtu: null, onlink: null}
  = {dst: 10.0.0.0/8, dev: eth1}
everything: {onlink: true, mtu: 1400, src: 10.1.1.1, metric: 7, via: 10.124.2.1, dev: eth1, dst: 10.0.0.0/8}
  = {dst: 10.0.0.0/8, dev: eth1, via: 10.124.2.1, metric: 7, src: 10.1.1.1, mtu: 1400, onlink: true}
onlink-false: {dst: 10.0.0.0/8, dev: eth1, onlink: false}
  = {dst: 10.0.0.0/8, dev: eth1}
onlink-auto: {dst: 10.0.0.0/8, dev: eth1, via: auto, onlink: true}
  = {dst: 10.0.0.0/8, dev: eth1, via: auto, onlink: true}
metric-zero: {dst: 10.0.0.0/8, dev: eth1, metric: 0}
  = {dst: 10.0.0.0/8, dev: eth1, metric: 0}
metric-largest: {dst: 10.0.0.0/8, dev: eth1, metric: 4278190079}
  = {dst: 10.0.0.0/8, dev: eth1, metric: 4278190079}
metric-with-exponent: {dst: 10.0.0.0/8, dev: eth1, metric: 1e3}
  = {dst: 10.0.0.0/8, dev: eth1, metric: 1000}
metric-hexadecimal: {dst: 10.0.0.0/8, dev: eth1, metric: 0x10}
  = {dst: 10.0.0.0/8, dev: eth1, metric: 16}
mtu-smallest: {dst: 10.0.0.0/8, dev: eth1, mtu: 68}
  = {dst: 10.0.0.0/8, dev: eth1, mtu: 68}
mtu-largest: {dst: '2001:db8::/32', dev: eth1, mtu: 65520}
  = {dst: '2001:db8::/32', dev: eth1, mtu: 65520}
mtu-smallest-ipv6: {dst: '2001:db8::/32', dev: eth1, mtu: 1280}
  = {dst: '2001:db8::/32', dev: eth1, mtu: 1280}
around-multicast: {dst: 192.0.0.0/2, dev: eth1}
  = {dst: 192.0.0.0/2, dev: eth1}
beside-loopback: {dst: 128.0.0.0/8, dev: eth1}
  = {dst: 128.0.0.0/8, dev: eth1}
around-loopback: {dst: 126.0.0.0/7, dev: eth1}
  = {dst: 126.0.0.0/7, dev: eth1}
around-link-local: {dst: 'fc00::/6', dev: eth1}
  = {dst: 'fc00::/6', dev: eth1}
unique-local: {dst: 'fd00::/8', dev: eth1}
  = {dst: 'fd00::/8', dev: eth1}
via-in-its-own-network: {dst: 10.0.0.1, dev: eth1, via: 10.0.0.1}
  = {dst: 10.0.0.1/32, dev: eth1, via: 10.0.0.1}
dev-that-looks-like-no: {dst: 10.0.0.0/8, dev: no}
  = {dst: 10.0.0.0/8, dev: 'no'}
dev-of-15-bytes: {dst: 10.0.0.0/8, dev: enp0s31f6.12345}
  = {dst: 10.0.0.0/8, dev: enp0s31f6.12345}
dev-with-signs: {dst: 10.0.0.0/8, dev: 'net1-@a_%.5'}
  = {dst: 10.0.0.0/8, dev: 'net1-@a_%.5'}
dev-no-ascii: {dst: 10.0.0.0/8, dev: ööö}
  = {dst: 10.0.0.0/8, dev: ööö}
dev-lo1: {dst: 10.0.0.0/8, dev: lo1}
  = {dst: 10.0.0.0/8, dev: lo1}
as-json: {"dst": "10.0.0.0/8", "dev": "eth1", "metric": 5.0}
  = {dst: 10.0.0.0/8, dev: eth1, metric: 5}
"""

SERVICES = r"""
service: {namespace: default, name: nginx, dev: eth1}
  = {namespace: default, name: nginx, dev: eth1}
service-by-a-gateway: {namespace: default, name: nginx, dev: eth1, via: 'fe80::1', src: 10.1.1.1}
  = {namespace: default, name: nginx, dev: eth1, via: 'fe80::1', src: 10.1.1.1}
service-of-the-first-schema: {dev: eth0, name: kube-dns, namespace: kube-system, via: ''}
  = {namespace: kube-system, name: kube-dns, dev: eth0}
service-with-small-mtu: {namespace: default, name: nginx, dev: eth1, mtu: 576, metric: 3}
  = {namespace: default, name: nginx, dev: eth1, metric: 3, mtu: 576}
service-long-name: {namespace: default, name: a23456789-123456789-123456789-123456789-123456789-123456789-123, dev: eth1}
  = {namespace: default, name: a23456789-123456789-123456789-123456789-123456789-123456789-123, dev: eth1}
"""

SPECS = r"""
spec-empty: {}
  = {}
lists-null: {route: null, svc: ~, filter: null, mode: null, priority: null, feature_gate: null}
  = {}
lists-empty: {route: [], svc: [], filter: {}, feature_gate: {}, priority: 0, mode: Apply}
  = {}
svc-before-route: {svc: [{namespace: a, name: b, dev: eth0}], route: [{dst: 10.0.0.0/8, dev: eth1}]}
  = {route: [{dst: 10.0.0.0/8, dev: eth1}], svc: [{namespace: a, name: b, dev: eth0}]}
same-destination-other-metric: {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: 10.0.0.0/8, dev: eth0, metric: 100}]}
  = {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: 10.0.0.0/8, dev: eth0, metric: 100}]}
same-network-other-length: {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: 10.0.0.0/9, dev: eth0}]}
  = {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: 10.0.0.0/9, dev: eth0}]}
both-defaults: {route: [{dst: default, dev: eth1}, {dst: default6, dev: eth1}]}
  = {route: [{dst: default, dev: eth1}, {dst: default6, dev: eth1}]}
observe: {mode: ' Observe ', priority: -5}
  = {mode: Observe, priority: -5}
priority-largest: {priority: 2147483647}
  = {priority: 2147483647}
gates: {feature_gate: {Fast: 'on', later: off, empty: '', ' blanks ': ' x '}}
  = {feature_gate: {Fast: 'on', later: 'off', empty: '', blanks: x}}
filter-lists-null: {filter: {include: null, exclude: []}}
  = {}
filter-every-kind: {filter: {include: [{kind: Pod}, {kind: Namespace}, {kind: Deployment}, {kind: ReplicaSet}, {kind: DaemonSet}, {kind: StatefulSet}, {kind: Job}, {kind: CronJob}]}}
  = {filter: {include: [{kind: Pod}, {kind: Namespace}, {kind: Deployment}, {kind: ReplicaSet}, {kind: DaemonSet}, {kind: StatefulSet}, {kind: Job}, {kind: CronJob}]}}
filter-names: {filter: {exclude: [{kind: Pod, namespace: prod, name: a.b-c}, {kind: Namespace, name: prod, namespace: null}]}}
  = {filter: {exclude: [{kind: Pod, namespace: prod, name: a.b-c}, {kind: Namespace, name: prod}]}}
filter-labels: {filter: {include: [{kind: Pod, selector: {matchLabels: {tier: cache, example.com/A_b.c: ''}}}]}}
  = {filter: {include: [{kind: Pod, selector: {matchLabels: {tier: cache, example.com/A_b.c: ''}}}]}}
filter-labels-any: {filter: {include: [{kind: Namespace, selector: {}}, {kind: Pod, selector: {matchLabels: {}, matchExpressions: null}}, {kind: Pod, selector: null}]}}
  = {filter: {include: [{kind: Namespace, selector: {}}, {kind: Pod, selector: {}}, {kind: Pod}]}}
filter-expressions: {filter: {exclude: [{kind: Pod, selector: {matchExpressions: [{key: a, operator: In, values: [x, y]}, {key: b, operator: NotIn, values: ['']}, {key: c, operator: Exists}, {key: d, operator: DoesNotExist, values: []}], matchLabels: {e: f}}}]}}
  = {filter: {exclude: [{kind: Pod, selector: {matchLabels: {e: f}, matchExpressions: [{key: a, operator: In, values: [x, y]}, {key: b, operator: NotIn, values: ['']}, {key: c, operator: Exists}, {key: d, operator: DoesNotExist}]}}]}}
filter-one-value: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: a, operator: In, values: [x]}, {key: a, operator: In, values: [x]}]}}]}}
  = {filter: {include: [{kind: Pod, selector: {matchLabels: {a: x}, matchExpressions: [{key: a, operator: In, values: [x]}]}}]}}
"""

SHORT = r"""
one-service: {"svc": "default/nginx1", "dev": "eth0"}
  = {svc: [{namespace: default, name: nginx1, dev: eth0}]}
one-network: {"route": "172.16.0.0/16", "dev": "eth1", "via": "10.1.1.1"}
  = {route: [{dst: 172.16.0.0/16, dev: eth1, via: 10.1.1.1}]}
one-as-in-a-route: {dst: default6, dev: eth1, metric: 5}
  = {route: [{dst: default6, dev: eth1, metric: 5}]}
one-service-as-in-a-route: {namespace: a, name: b, dev: eth1}
  = {svc: [{namespace: a, name: b, dev: eth1}]}
list: [{"svc": "a/b", "dev": "eth0"}, {"route": "10.0.0.0/8", "dev": "eth1"}, {svc: a/c, dev: eth0, via: ''}]
  = {route: [{dst: 10.0.0.0/8, dev: eth1}], svc: [{namespace: a, name: b, dev: eth0}, {namespace: a, name: c, dev: eth0}]}
list-empty: []
  = {}
rules: {"rules": [{"route": "default", "dev": "eth1", "via": "auto"}]}
  = {route: [{dst: default, dev: eth1, via: auto}]}
rules-null: {rules: null}
  = {}
"""

FILES = r"""
## short-in-three-documents
svc: default/nginx
dev: eth1
---
- {route: 10.0.0.0/8, dev: eth1}
---
rules:
- {route: 10.1.0.0/16, dev: eth1}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: t}, spec: {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: 10.1.0.0/16, dev: eth1}], svc: [{namespace: default, name: nginx, dev: eth1}]}}

## read-back-from-a-cluster
apiVersion: k8s.ovn.org/v1
kind: Route
metadata:
  name: demo
  uid: 8b1c
  generation: 3
  creationTimestamp: 2026-01-31T12:00:00Z
  resourceVersion: '123'
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}
  managedFields: [{manager: kubectl, fieldsV1: {'f:spec': {}}}]
spec: {route: [{dst: default, dev: eth1}]}
status: {status: Ready 3 pods, observedGeneration: 3, conditions: []}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: demo, uid: 8b1c, generation: 3, creationTimestamp: '2026-01-31T12:00:00Z'}, spec: {route: [{dst: default, dev: eth1}]}}

## of-the-first-schema
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: route-sample}
spec:
  route:
  - {dst: 172.16.0.0/16, dev: eth1, via: ''}
  svc:
  - {namespace: default, name: nginx, dev: eth0, via: 10.1.1.1}
  feature_gate: {}
status: {status: success}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: route-sample}, spec: {route: [{dst: 172.16.0.0/16, dev: eth1}], svc: [{namespace: default, name: nginx, dev: eth0, via: 10.1.1.1}]}}

## without-spec
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: a.b-c, creationTimestamp: null}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: a.b-c}, spec: {}}

## several-documents
---
# nothing in this one
---
{apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: one}}
---
{apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: two}}
...
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: one}, spec: {}}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: two}, spec: {}}

## list
apiVersion: v1
kind: List
items:
- {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: one}, spec: {route: [{dst: 10.0.0.0/8, dev: eth1}]}}
- {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: two}}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: one}, spec: {route: [{dst: 10.0.0.0/8, dev: eth1}]}}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: two}, spec: {}}

## list-of-routes
apiVersion: k8s.ovn.org/v1
kind: RouteList
items:
- {metadata: {name: one}, spec: {mode: Observe}}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: one}, spec: {mode: Observe}}

## anchors
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: a}
spec:
  route:
  - &first {dst: 10.0.0.0/8, dev: &nic eth1, via: auto}
  - {<<: *first, dst: 10.1.0.0/16}
  - {dst: 10.2.0.0/16, dev: *nic}
= {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: a}, spec: {route: [{dst: 10.0.0.0/8, dev: eth1, via: auto}, {dst: 10.1.0.0/16, dev: eth1, via: auto}, {dst: 10.2.0.0/16, dev: eth1}]}}
"""
