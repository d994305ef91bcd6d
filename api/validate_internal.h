/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of validation share: rules for names that only they need. */
#ifndef KNARR_API_VALIDATE_INTERNAL_H
#define KNARR_API_VALIDATE_INTERNAL_H

#include "api/validate.h"

/* Keys of ConfigMaps and Secrets, environment variables, named ports: NULL or upstream's sentence, as in validate.h. */
const char *validate_config_key(struct slice s);
const char *validate_env_name(struct slice s);
const char *validate_port_name(struct slice s);

#endif
