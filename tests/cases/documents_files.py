"""Whole files that are wrong: a heading, the text of t.yaml, and each sentence behind a "! "."""
# ruff: noqa: E501 - sentences stand here as they are printed

from __future__ import annotations

FILES = r"""
## name-missing
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {}
spec: {route: [{dst: x, dev: eth1}]}
! t.yaml: metadata.name: is missing; give the object a name
! t.yaml: spec.route[0].dst: 'x' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default

## metadata-missing
apiVersion: k8s.ovn.org/v1
kind: Route
spec: {}
! t.yaml: metadata.name: is missing; give the object a name

## metadata-null
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: ~
! t.yaml: metadata: must be a mapping with a name, not null

## metadata-list
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: [demo]
! t.yaml: metadata: must be a mapping with a name, not a list

## name-upper-case
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: Demo}
spec: {}
! t.yaml: metadata.name: 'Demo' is not a name; write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part

## name-number
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: 5}
! t.yaml: metadata.name: must be a string, not the number 5; put it in quotes

## name-underscore
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: my_route}
! t.yaml: metadata.name: 'my_route' is not a name; write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part

## name-long
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
! t.yaml: metadata.name: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is not a name; write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part

## name-double-dot
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: a..b}
! t.yaml: metadata.name: 'a..b' is not a name; write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part

## uid-number
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo, uid: 5}
! t.yaml: metadata.uid: must be a string, not the number 5; put it in quotes

## generation-string
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo, generation: '5'}
! t.yaml: metadata.generation: must be a whole number, not the string '5'; take the quotes away

## created-no-time
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo, creationTimestamp: yesterday}
! t.yaml: metadata.creationTimestamp: 'yesterday' is not a time; write it like 2026-01-31T12:00:00Z

## created-other-zone
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo, creationTimestamp: '2026-01-31T12:00:00+01:00'}
! t.yaml: metadata.creationTimestamp: '2026-01-31T12:00:00+01:00' is not a time; write it like 2026-01-31T12:00:00Z

## spec-list
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo}
spec: []
! t.yaml: spec: must be a mapping, not a list

## top-key
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo}
spec: {route: [{dst: 10.0.0.0/8, dev: eth1}]}
filter: {}
! t.yaml: unknown key 'filter'; move it into spec (until then no rule of this Route applies)

## top-key-typo
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo}
sepc: {}
! t.yaml: unknown key 'sepc'; did you mean spec? (until then no rule of this Route applies)

## version-missing
kind: Route
metadata: {name: demo}
! t.yaml: apiVersion: must be k8s.ovn.org/v1 for a Route, not null

## version-of-openshift
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: demo}
! t.yaml: apiVersion: must be k8s.ovn.org/v1 for a Route, not the string 'route.openshift.io/v1'

## version-other
apiVersion: k8s.ovn.org/v2
kind: Route
metadata: {name: demo}
! t.yaml: apiVersion: must be k8s.ovn.org/v1 for a Route, not the string 'k8s.ovn.org/v2'

## version-number
apiVersion: 1
kind: Route
metadata: {name: demo}
! t.yaml: apiVersion: must be k8s.ovn.org/v1 for a Route, not the number 1

## kind-of-document-missing
apiVersion: k8s.ovn.org/v1
metadata: {name: demo}
! t.yaml: kind is missing; write apiVersion and kind, as in a manifest for kubectl

## kind-of-document-typo
apiVersion: k8s.ovn.org/v1
kind: Rotue
metadata: {name: demo}
! t.yaml: kind 'Rotue' is not read here; did you mean Route?

## kind-of-document-other
apiVersion: v1
kind: ConfigMap
metadata: {name: demo}
! t.yaml: kind 'ConfigMap' is not read here; known: Route, List, Service, Pod, Namespace, Deployment, ReplicaSet, DaemonSet, StatefulSet, Job, CronJob

## kind-of-document-number
apiVersion: v1
kind: 5
! t.yaml: kind must be a string, not the number 5

## document-string
172.16.0.0/16
! t.yaml: the document must be a mapping or a list, not the string '172.16.0.0/16'

## document-number
5
! t.yaml: the document must be a mapping or a list, not the number 5

## spec-alone
spec: {route: []}
! t.yaml: kind is missing; write apiVersion and kind, as in a manifest for kubectl

## second-document
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo}
---
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: two}
spec: {route: [{dst: x, dev: eth1}]}
! t.yaml[2]: spec.route[0].dst: 'x' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default

## same-name-twice
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo}
---
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: demo}
! t.yaml[2]: metadata.name: the Route demo stands in document 1 already; keep one

## same-name-twice-in-a-list
apiVersion: v1
kind: List
items:
- {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: demo}}
- {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: demo}}
! t.yaml: items[1].metadata.name: the Route demo stands in items[0] already; keep one

## list-version
apiVersion: v2
kind: List
items: []
! t.yaml: apiVersion: must be v1 for a List, not the string 'v2'

## list-items-mapping
apiVersion: v1
kind: List
items: {}
! t.yaml: items: must be a list, not a mapping; write it as [...]

## list-item-string
apiVersion: v1
kind: List
items: [x]
! t.yaml: items[0]: must be an object, not the string 'x'

## list-in-list
apiVersion: v1
kind: List
items: [{apiVersion: v1, kind: List, items: []}]
! t.yaml: items[0]: 'List' is read only with items, and not within a list; write its items here

## list-item-path
apiVersion: v1
kind: List
items:
- {apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: demo}, spec: {svc: [{name: b, namespace: a}]}}
! t.yaml: items[0].spec.svc[0].dev: is missing; name the pod's NIC, like eth1

## list-item-kind
apiVersion: v1
kind: List
items: [{kind: Secret}]
! t.yaml: items[0]: kind 'Secret' is not read here; known: Route, List, Service, Pod, Namespace, Deployment, ReplicaSet, DaemonSet, StatefulSet, Job, CronJob

## short-dst-and-svc
{route: 10.0.0.0/8, svc: a/b, dev: eth1}
! t.yaml: has route and svc; keep one, and make another entry of the other

## short-nothing
{dev: eth1}
! t.yaml: names no destination; write {route: 172.16.0.0/16, dev: eth1} or {svc: default/nginx, dev: eth1}

## short-empty
{}
! t.yaml: names no destination; write {route: 172.16.0.0/16, dev: eth1} or {svc: default/nginx, dev: eth1}
! t.yaml: dev: is missing; name the pod's NIC, like eth1

## short-list
- {route: 10.0.0.0/8, dev: eth1}
- {svc: nginx, dev: eth1}
- {svc: a/b/c, dev: eth1}
! t.yaml: [1].svc: 'nginx' does not name a Service; write namespace/name, like default/nginx
! t.yaml: [2].svc: 'a/b/c' does not name a Service; write namespace/name, like default/nginx

## short-rules
rules:
- {route: 10.0.0.1/8, dev: eth1}
- {svc: a/b}
! t.yaml: rules[0].route: '10.0.0.1/8' has host bits set; did you mean 10.0.0.0/8?
! t.yaml: rules[1].dev: is missing; name the pod's NIC, like eth1

## short-rules-mapping
rules: {route: 10.0.0.0/8, dev: eth1}
! t.yaml: rules: must be a list, not a mapping; write it as [...]

## short-rules-and-filter
rules: [{route: 10.0.0.0/8, dev: eth1}]
filter: {}
! t.yaml: unknown key 'filter'; only a whole Route has one (until then no rule of this Route applies)

## short-route-of-a-spec
route: [{dst: 10.0.0.0/8, dev: eth1}]
! t.yaml: a list of rules stands in the spec of a Route; write the whole Route

## short-service-half
{namespace: a, dev: eth1}
! t.yaml: name: is missing; write {route: 172.16.0.0/16, dev: eth1} or {svc: default/nginx, dev: eth1}

## short-twice
- {route: 10.0.0.0/8, dev: eth1}
- {dst: 10.0.0.0/8, dev: eth0}
! t.yaml: [0]: 10.0.0.0/8 stands in [1] too; keep one, or give them different metrics
! t.yaml: [1]: 10.0.0.0/8 stands in [0] too; keep one, or give them different metrics

## short-in-two-documents
{route: 10.0.0.0/8, dev: eth1}
---
- {route: 10.1.0.0/16, dev: eth1}
- {route: 10.0.0.0/8, dev: eth0}
! t.yaml[1]: 10.0.0.0/8 stands in document[2][1] too; keep one, or give them different metrics
! t.yaml[2]: [1]: 10.0.0.0/8 stands in document[1] too; keep one, or give them different metrics

## short-and-route-of-its-name
{route: 10.0.0.0/8, dev: eth1}
---
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {name: t}
! t.yaml: metadata.name: the Route t stands in document 2 already; keep one
"""
