"""Objects of Kubernetes' own, right ones and wrong ones, as files: see documents_files.py.

A right one has lines behind "= ": what it becomes, the fields as model.py has them.
"""
# ruff: noqa: E501 - sentences stand here as they are printed

from __future__ import annotations

WRONG = r"""
## service-address
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIPs: [10.0.0.1, x, 5]}
! t.yaml: spec.clusterIPs[1]: 'x' is not an IP address
! t.yaml: spec.clusterIPs[2]: must be a string, not the number 5; put it in quotes

## service-address-in-both-places
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: x, clusterIPs: [x]}
! t.yaml: spec.clusterIPs[0]: 'x' is not an IP address

## service-addresses-string
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIPs: 10.0.0.1}
! t.yaml: spec.clusterIPs: must be a list, not the string '10.0.0.1'

## service-spec-list
apiVersion: v1
kind: Service
metadata: {name: a}
spec: []
! t.yaml: spec: must be a mapping, not a list

## service-name-missing
apiVersion: v1
kind: Service
metadata: {namespace: A}
! t.yaml: metadata.namespace: 'A' is not a name; write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends
! t.yaml: metadata.name: is missing; give the object a name

## service-version
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
! t.yaml: apiVersion: must be v1 for a Service, not the string 'serving.knative.dev/v1'

## service-twice
apiVersion: v1
kind: Service
metadata: {name: a}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
! t.yaml[2]: metadata.name: the Service default/a stands in document 1 already; keep one

## pod-labels
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {tier: 1}}
spec: {hostNetwork: maybe, nodeName: 5}
! t.yaml: metadata.labels: each name and value must be a string, not the number 1; put it in quotes
! t.yaml: spec.nodeName: must be a string, not the number 5; put it in quotes
! t.yaml: spec.hostNetwork: must be true or false, not the string 'maybe'

## pod-labels-list
apiVersion: v1
kind: Pod
metadata: {name: a, labels: [x], annotations: 5}
! t.yaml: metadata.labels: must be a mapping, not a list
! t.yaml: metadata.annotations: must be a mapping, not the number 5

## pod-owners
apiVersion: v1
kind: Pod
metadata: {name: a, ownerReferences: {kind: ReplicaSet}}
! t.yaml: metadata.ownerReferences: must be a list, not a mapping

## pod-owner-string
apiVersion: v1
kind: Pod
metadata: {name: a, ownerReferences: [web]}
! t.yaml: metadata.ownerReferences: must be a mapping, not the string 'web'

## job-version
apiVersion: apps/v1
kind: Job
metadata: {name: a}
! t.yaml: apiVersion: must be batch/v1 for a Job, not the string 'apps/v1'
"""

RIGHT = r"""
## service-with-all-else
apiVersion: v1
kind: Service
metadata: {name: nginx, namespace: web, uid: 5a, labels: {a: b}, annotations: {x: y}}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{port: 80}], type: LoadBalancer}
status: {loadBalancer: {}}
= services: [[web, nginx, [10.96.0.10], '']]

## service-dual-stack
apiVersion: v1
kind: Service
metadata: {name: nginx}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10, 'FD00:0::10'], ipFamilyPolicy: RequireDualStack}
= services: [[default, nginx, [10.96.0.10, 'fd00::10'], '']]

## service-with-clusterIP-alone
apiVersion: v1
kind: Service
metadata: {name: nginx}
spec: {clusterIP: 10.96.0.10}
= services: [[default, nginx, [10.96.0.10], '']]

## service-headless
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, clusterIPs: [None]}
= services: [[default, db, [], headless]]

## service-of-another-name
apiVersion: v1
kind: Service
metadata: {name: away}
spec: {type: ExternalName, externalName: example.com}
= services: [[default, away, [], ExternalName]]

## service-without-address-yet
apiVersion: v1
kind: Service
metadata: {name: new, creationTimestamp: null}
spec: {clusterIP: '', selector: {app: new}}
= services: [[default, new, [], no ClusterIP yet]]

## service-without-spec
apiVersion: v1
kind: Service
metadata: {name: new}
= services: [[default, new, [], no ClusterIP yet]]

## pod
apiVersion: v1
kind: Pod
metadata:
  name: web-7d4b9-x2x1z
  namespace: prod
  uid: 0d9c2e9e-6d7e-4b8a-9f0e-3a1f5a2b7c11
  labels: {app: web, tier: ''}
  ownerReferences:
  - {apiVersion: v1, kind: Node, name: other, uid: u0}
  - {apiVersion: apps/v1, kind: ReplicaSet, name: web-7d4b9, uid: u1, controller: true}
spec: {nodeName: node-a, containers: [{name: c}]}
status: {phase: Running}
= pods: [[prod, web-7d4b9-x2x1z, 0d9c2e9e-6d7e-4b8a-9f0e-3a1f5a2b7c11, [[app, web], [tier, '']], [[ReplicaSet, web-7d4b9, u1]], node-a, false, '']]

## pod-bare
apiVersion: v1
kind: Pod
metadata: {name: p}
= pods: [[default, p, '', [], [], '', false, '']]

## pod-static
apiVersion: v1
kind: Pod
metadata: {name: etcd-a, namespace: kube-system, uid: u9, annotations: {kubernetes.io/config.hash: 7c1f, other: x}}
spec: {hostNetwork: true, nodeName: a}
= pods: [[kube-system, etcd-a, u9, [], [], a, true, 7c1f]]

## namespace
apiVersion: v1
kind: Namespace
metadata: {name: prod, labels: {kubernetes.io/metadata.name: prod}}
= namespaces: [[prod, [[kubernetes.io/metadata.name, prod]]]]

## workloads
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod, uid: d}
spec: {replicas: 3}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-7d4b9, namespace: prod, uid: r, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true, blockOwnerDeletion: true}]}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: a, ownerReferences: [{kind: CronJob, name: nightly, uid: c, controller: true}]}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}}
= workloads: [[Deployment, prod, web, d, []], [ReplicaSet, prod, web-7d4b9, r, [[Deployment, web, d]]], [DaemonSet, default, a, '', []], [StatefulSet, default, a, '', []], [Job, default, a, '', [[CronJob, nightly, c]]], [CronJob, default, nightly, '', []]]

## list-of-all-kinds
apiVersion: v1
kind: List
metadata: {resourceVersion: ''}
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIPs: [10.0.0.1]}}
- {apiVersion: v1, kind: Namespace, metadata: {name: n}}
= services: [[default, a, [10.0.0.1], '']]
= namespaces: [[n, []]]

## list-of-one-kind
apiVersion: v1
kind: ServiceList
items:
- {metadata: {name: a}, spec: {clusterIPs: [10.0.0.1]}}
- {metadata: {name: b}, spec: {clusterIPs: [10.0.0.2]}}
= services: [[default, a, [10.0.0.1], ''], [default, b, [10.0.0.2], '']]

## same-name-in-two-namespaces
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: y}}
= pods: [[x, a, '', [], [], '', false, ''], [y, a, '', [], [], '', false, '']]
"""
