"""Wrong specs of a Route, and every sentence about them, without the file.

SPECS leave the other rules alone. Those in STOPPED keep all rules from applying; their sentences
lack the remark that says so.
"""
# ruff: noqa: E501 - sentences stand here as they are printed

from __future__ import annotations

SPECS = r"""
route-mapping: {route: {dst: 10.0.0.0/8, dev: eth1}}
  spec.route: must be a list, not a mapping; write it as [...]
route-string: {route: 10.0.0.0/8}
  spec.route: must be a list, not the string '10.0.0.0/8'; write it as [...]
svc-number: {svc: 5}
  spec.svc: must be a list, not the number 5; write it as [...]
same-destination-twice: {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: 10.1.0.0/16, dev: eth1}, {dst: 10.0.0.0/8, dev: eth0}]}
  spec.route[0]: 10.0.0.0/8 stands in spec.route[2] too; keep one, or give them different metrics
  spec.route[2]: 10.0.0.0/8 stands in spec.route[0] too; keep one, or give them different metrics
same-destination-thrice: {route: [{dst: 10.0.0.0/8, dev: eth1, metric: 0}, {dst: 10.0.0.0/8, dev: eth1}, {dst: 10.0.0.0/8, dev: eth0}]}
  spec.route[0]: 10.0.0.0/8 with metric 0 stands in spec.route[1] and spec.route[2] too; keep one, or give them different metrics
  spec.route[1]: 10.0.0.0/8 stands in spec.route[0] and spec.route[2] too; keep one, or give them different metrics
  spec.route[2]: 10.0.0.0/8 stands in spec.route[0] and spec.route[1] too; keep one, or give them different metrics
same-destination-written-otherwise: {route: [{dst: default, dev: eth1}, {dst: 0.0.0.0/0, dev: eth0}]}
  spec.route[0]: 0.0.0.0/0 stands in spec.route[1] too; keep one, or give them different metrics
  spec.route[1]: 0.0.0.0/0 stands in spec.route[0] too; keep one, or give them different metrics
same-ipv6-metric: {route: [{dst: default6, dev: eth1}, {dst: default6, dev: eth0, metric: 1024}]}
  spec.route[0]: ::/0 stands in spec.route[1] too; keep one, or give them different metrics
  spec.route[1]: ::/0 with metric 1024 stands in spec.route[0] too; keep one, or give them different metrics
same-host: {route: [{dst: 10.0.0.1, dev: eth1, metric: 7}, {dst: 10.0.0.1/32, dev: eth0, metric: 7}]}
  spec.route[0]: 10.0.0.1/32 with metric 7 stands in spec.route[1] too; keep one, or give them different metrics
  spec.route[1]: 10.0.0.1/32 with metric 7 stands in spec.route[0] too; keep one, or give them different metrics
same-service-twice: {svc: [{namespace: a, name: b, dev: eth0}, {namespace: a, name: b, dev: eth1, metric: 0}]}
  spec.svc[0]: Service a/b stands in spec.svc[1] too; keep one, or give them different metrics
  spec.svc[1]: Service a/b with metric 0 stands in spec.svc[0] too; keep one, or give them different metrics
twice-and-bad-between: {route: [{dst: 10.0.0.0/8, dev: eth1}, {dst: x, dev: eth1}, {dst: 10.0.0.0/8, dev: eth0}]}
  spec.route[0]: 10.0.0.0/8 stands in spec.route[2] too; keep one, or give them different metrics
  spec.route[1].dst: 'x' is not a CIDR or an IP address; write it like 172.16.0.0/16, or default
  spec.route[2]: 10.0.0.0/8 stands in spec.route[0] too; keep one, or give them different metrics
route-and-svc-in-document-order: {svc: [{namespace: a}], route: [{dst: 10.0.0.1/8, dev: eth1}]}
  spec.svc[0].name: is missing; write {namespace: default, name: nginx, dev: eth1}
  spec.svc[0].dev: is missing; name the pod's NIC, like eth1
  spec.route[0].dst: '10.0.0.1/8' has host bits set; did you mean 10.0.0.0/8?
gate-number: {feature_gate: {a: 1}}
  spec.feature_gate.a: must be a string, not the number 1; put it in quotes
gate-name-odd: {feature_gate: {"a\nb": 1}}
  spec.feature_gate.'a\nb': must be a string, not the number 1; put it in quotes
gate-list: {feature_gate: [a]}
  spec.feature_gate: must be a mapping of strings, not a list
gate-key: {feature_gate: {~: x, b: true}}
  spec.feature_gate.b: must be a string, not true; put it in quotes
"""

STOPPED = r"""
spec-key-typo: {fliter: {}, route: [{dst: 10.0.0.0/8, dev: eth1}]}
  spec: unknown key 'fliter'; did you mean filter?
spec-routes: {routes: [{dst: 10.0.0.0/8, dev: eth1}]}
  spec: unknown key 'routes'; did you mean route?
spec-key-unknown: {nodes: all, route: [{dst: 10.0.0.0/8, dev: eth1}]}
  spec: unknown key 'nodes'; known: route, svc, mode, priority, feature_gate, filter
mode-lower-case: {mode: observe, route: [{dst: 10.0.0.0/8, dev: eth1}]}
  spec.mode: 'observe' is not a mode; did you mean Observe?
mode-unknown: {mode: DryRun}
  spec.mode: 'DryRun' is not a mode; known: Apply, Observe
mode-boolean: {mode: off}
  spec.mode: 'off' is not a mode; known: Apply, Observe
mode-number: {mode: 1}
  spec.mode: must be a string, not the number 1; put it in quotes
mode-empty: {mode: ''}
  spec.mode: '' is not a mode; known: Apply, Observe
priority-string: {priority: '5', route: [{dst: 10.0.0.0/8, dev: eth1}]}
  spec.priority: must be a whole number, not the string '5'; take the quotes away
priority-large: {priority: 2147483648}
  spec.priority: must be from -2147483648 to 2147483647, not 2147483648
priority-small: {priority: -2147483649}
  spec.priority: must be from -2147483648 to 2147483647, not -2147483649
priority-fraction: {priority: 0.5}
  spec.priority: must be a whole number, not the number 0.5
filter-list: {filter: [{kind: Pod}], route: [{dst: 10.0.0.0/8, dev: eth1}]}
  spec.filter: must be a mapping with include and exclude, not a list
filter-key: {filter: {included: [{kind: Pod}]}}
  spec.filter: unknown key 'included'; did you mean include?
filter-string: {filter: prod}
  spec.filter: must be a mapping with include and exclude, not the string 'prod'
include-mapping: {filter: {include: {kind: Pod}}}
  spec.filter.include: must be a list, not a mapping; write it as [...]
selector-string: {filter: {include: [prod]}}
  spec.filter.include[0]: must be a mapping like {kind: Namespace, name: prod}, not the string 'prod'
kind-missing: {filter: {include: [{name: prod}]}}
  spec.filter.include[0].kind: is missing; write one of Pod, Namespace, Deployment, ReplicaSet, DaemonSet, StatefulSet, Job, CronJob
kind-plural: {filter: {include: [{kind: Pods}]}}
  spec.filter.include[0].kind: 'Pods' is not a kind that a filter knows; did you mean Pod?
kind-lower-case: {filter: {include: [{kind: deployment, name: web}]}}
  spec.filter.include[0].kind: 'deployment' is not a kind that a filter knows; did you mean Deployment?
kind-unknown: {filter: {include: [{kind: ReplicationController, name: web}]}}
  spec.filter.include[0].kind: 'ReplicationController' is not a kind that a filter knows; known: Pod, Namespace, Deployment, ReplicaSet, DaemonSet, StatefulSet, Job, CronJob
kind-number: {filter: {include: [{kind: 1}]}}
  spec.filter.include[0].kind: must be a string, not the number 1; put it in quotes
selector-key: {filter: {exclude: [{kind: Pod, labels: {tier: cache}}]}}
  spec.filter.exclude[0]: unknown key 'labels'; did you mean selector?
selector-name: {filter: {exclude: [{kind: Pod, name: Web_1}]}}
  spec.filter.exclude[0].name: 'Web_1' is not a name; write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part
selector-name-empty: {filter: {exclude: [{kind: Pod, name: ''}]}}
  spec.filter.exclude[0].name: is empty; write a name
selector-namespace: {filter: {exclude: [{kind: Pod, namespace: kube.system}]}}
  spec.filter.exclude[0].namespace: 'kube.system' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
namespace-of-namespace: {filter: {include: [{kind: Namespace, namespace: prod}]}}
  spec.filter.include[0].namespace: means nothing for a Namespace; write name instead
labels-bare: {filter: {include: [{kind: Pod, selector: {tier: cache}}]}}
  spec.filter.include[0].selector: unknown key 'tier'; known: matchLabels, matchExpressions
labels-list: {filter: {include: [{kind: Pod, selector: [tier]}]}}
  spec.filter.include[0].selector: must be a mapping, not a list
labels-string: {filter: {include: [{kind: Pod, selector: {matchLabels: tier=cache}}]}}
  spec.filter.include[0].selector.matchLabels: must be a mapping, not the string 'tier=cache'
label-number: {filter: {include: [{kind: Pod, selector: {matchLabels: {tier: 1}}}]}}
  spec.filter.include[0].selector.matchLabels.tier: must be a string, not the number 1; put it in quotes
label-key: {filter: {include: [{kind: Pod, selector: {matchLabels: {-tier: x}}}]}}
  spec.filter.include[0].selector.matchLabels: '-tier' is not a label's key; write it like tier or example.com/tier
label-key-prefix: {filter: {include: [{kind: Pod, selector: {matchLabels: {Example.com/tier: x}}}]}}
  spec.filter.include[0].selector.matchLabels: 'Example.com/tier' is not a label's key; write it like tier or example.com/tier
label-key-empty-prefix: {filter: {include: [{kind: Pod, selector: {matchLabels: {/tier: x}}}]}}
  spec.filter.include[0].selector.matchLabels: '/tier' is not a label's key; write it like tier or example.com/tier
label-value: {filter: {include: [{kind: Pod, selector: {matchLabels: {tier: a b}}}]}}
  spec.filter.include[0].selector.matchLabels.tier: 'a b' is not a label's value; write at most 63 of letters, digits, '-', '_' and '.', with a letter or digit at both ends
label-value-long: {filter: {include: [{kind: Pod, selector: {matchLabels: {tier: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}}]}}
  spec.filter.include[0].selector.matchLabels.tier: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is not a label's value; write at most 63 of letters, digits, '-', '_' and '.', with a letter or digit at both ends
label-value-null: {filter: {include: [{kind: Pod, selector: {matchLabels: {tier: }}}]}}
  spec.filter.include[0].selector.matchLabels.tier: must be a string, not null
expression-string: {filter: {include: [{kind: Pod, selector: {matchExpressions: [tier]}}]}}
  spec.filter.include[0].selector.matchExpressions[0]: must be a mapping like {key: tier, operator: Exists}, not the string 'tier'
expression-mapping: {filter: {include: [{kind: Pod, selector: {matchExpressions: {key: tier}}}]}}
  spec.filter.include[0].selector.matchExpressions: must be a list, not a mapping; write it as [...]
operator-missing: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].operator: is missing; write In or NotIn or Exists or DoesNotExist
operator-unknown: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: Gt, values: ['1']}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].operator: 'Gt' is not an operator; known: In, NotIn, Exists, DoesNotExist
operator-near: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: NotExists}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].operator: 'NotExists' is not an operator; did you mean DoesNotExist?
operator-in-lower-case: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: in, values: [a]}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].operator: 'in' is not an operator; did you mean In?
values-missing: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: In}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].values: is missing; In needs at least one
values-empty: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: NotIn, values: []}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].values: is missing; NotIn needs at least one
values-string: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: In, values: a}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].values: must be a list, not the string 'a'; write it as [...]
values-number: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: In, values: [1]}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].values: must be a string, not the number 1; put it in quotes
values-too-many: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{key: tier, operator: Exists, values: [a]}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].values: must not be there: Exists asks for the key alone
expression-key-missing: {filter: {include: [{kind: Pod, selector: {matchExpressions: [{operator: Exists}]}}]}}
  spec.filter.include[0].selector.matchExpressions[0].key: is missing; write the label's key
filter-all-at-once: {filter: {include: [{kind: Pdo}, {kind: Pod, name: A}], exclude: 5}, mode: x}
  spec.filter.include[0].kind: 'Pdo' is not a kind that a filter knows; did you mean Pod?
  spec.filter.include[1].name: 'A' is not a name; write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part
  spec.filter.exclude: must be a list, not the number 5; write it as [...]
  spec.mode: 'x' is not a mode; known: Apply, Observe
"""
