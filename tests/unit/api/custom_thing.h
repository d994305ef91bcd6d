/* SPDX-License-Identifier: Apache-2.0 */
/* A definition of Things that has something of everything. */
#ifndef KNARR_TESTS_UNIT_API_CUSTOM_THING_H
#define KNARR_TESTS_UNIT_API_CUSTOM_THING_H

#define PROPERTIES                                                                                                     \
    "\"size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10},"                                                    \
    "\"color\":{\"type\":\"string\",\"enum\":[\"red\",\"green\"],\"default\":\"red\"},"                                \
    "\"word\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\",\"minLength\":2,\"maxLength\":5},"                         \
    "\"tags\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"type\":\"string\"}},"                     \
    "\"set\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}},"                 \
    "\"ports\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"n\",\"p\"],"   \
    "\"items\":{\"type\":\"object\",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"string\"},"                 \
    "\"p\":{\"type\":\"string\",\"default\":\"TCP\"},\"v\":{\"type\":\"integer\"}}}},"                                 \
    "\"map\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},"                                   \
    "\"inner\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"properties\":{\"a\":{\"type\":"          \
    "\"string\"}}},"                                                                                                   \
    "\"port\":{\"x-kubernetes-int-or-string\":true},"                                                                  \
    "\"nul\":{\"type\":\"string\",\"nullable\":true},"                                                                 \
    "\"when\":{\"type\":\"string\",\"format\":\"date-time\"},"                                                         \
    "\"ratio\":{\"type\":\"number\",\"multipleOf\":0.5},"                                                              \
    "\"raw\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true},"                                     \
    "\"one\":{\"type\":\"object\",\"oneOf\":[{\"required\":[\"x\"]},{\"required\":[\"y\"]}],"                          \
    "\"properties\":{\"x\":{\"type\":\"string\"},\"y\":{\"type\":\"string\"}}},"                                       \
    "\"grid\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}},"                   \
    "\"nested\":{\"type\":\"object\",\"default\":{},\"properties\":{\"n\":{\"type\":\"integer\",\"default\":7}}}"
#define DEFINITION                                                                                                     \
    "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"        \
    "\"things.x.example.com\"},\"spec\":{\"group\":\"x.example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":"  \
    "\"things\",\"kind\":\"Thing\",\"shortNames\":[\"th\"]},\"versions\":[{\"name\":\"v1\",\"served\":true,"           \
    "\"storage\":true,\"subresources\":{\"status\":{},\"scale\":{\"specReplicasPath\":\".spec.size\","                 \
    "\"statusReplicasPath\":\".status.size\"}},\"selectableFields\":[{\"jsonPath\":\".spec.color\"}],"                 \
    "\"additionalPrinterColumns\":[{\"name\":\"Size\",\"type\":\"integer\",\"jsonPath\":\".spec.size\"}],"             \
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"required\":[\"spec\"],\"properties\":{\"spec\":{\"type\":" \
    "\"object\",\"required\":[\"size\"],\"properties\":{" PROPERTIES "}}}}}}]}}"

#endif
