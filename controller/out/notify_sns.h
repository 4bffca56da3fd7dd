/*
 * Amazon SNS: a notice as the query API's Publish to a topic, signed by SigV4. The request is made
 * in the loop; credentials are asked for and the signature is made in the sending thread, because
 * the container's credentials come over the network.
 */
#pragma once

#include "out/notify_send.h"
#include "out/notify_text.h"

struct notify_sns;

/* `topic`: arn:aws:sns:REGION:ACCOUNT:NAME; `url`: "" for the region's. 0, -EINVAL, -ENOMEM. */
NODISCARD int notify_sns_new(const char *topic, const char *url, struct notify_sns **ret_sns);
/* Only when no request of it is under way. */
struct notify_sns *notify_sns_free(struct notify_sns *s);
/* Sets url, headers, body and prepare. 0 or -errno. */
NODISCARD int notify_sns_fill(struct notify_sns *s, const struct notice *n,
                              struct notify_request *q);
