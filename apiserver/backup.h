/* SPDX-License-Identifier: Apache-2.0 */
/* GET /knarr/backup. */
#ifndef KNARR_APISERVER_BACKUP_H
#define KNARR_APISERVER_BACKUP_H

#include "apiserver/request.h"

#define BACKUP_PATH "/knarr/backup"
#define BACKUPS_MAX 2 /* at one time, of the whole server */

request_handler backup_get;

#endif
