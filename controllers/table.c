/* SPDX-License-Identifier: Apache-2.0 */
/* The controllers: one row each. */
#include "controllers/disruption.h"
#include "controllers/endpoints.h"
#include "controllers/endpointslice.h"
#include "controllers/rows.h"

const struct controller *const controllers_table[] = {
    &deployment_controller,     &replicaset_controller,    &serviceaccount_controller,
    &root_ca_controller,        &csr_controller,           &node_ipam_controller,
    &node_lifecycle_controller, &namespace_controller,     &garbage_collector,
    &pod_gc_controller,         &endpointslice_controller, &role_aggregation_controller,
    &disruption_controller,     &token_cleaner_controller, &resourcequota_controller,
    &custom_finalizer,          &endpoints_controller,     &endpointslice_mirroring_controller,
    &claim_protection,          &volume_protection,
};
const size_t controllers_table_count = ARRAY_SIZE(controllers_table);
