/* SPDX-License-Identifier: Apache-2.0 */
/* The class of service that a pod's requests and limits make of it (upstream's ComputePodQOS). Pure. */
#ifndef KNARR_API_POD_QOS_H
#define KNARR_API_POD_QOS_H

#include "api/value.h"

/* "Guaranteed": limits for cpu and memory everywhere, and requests equal to them. "BestEffort": nothing anywhere.
 * "Burstable": all else. What the pod says for itself as a whole counts instead of what its containers say. */
const char *pod_qos_class(const struct value *pod);

#endif
