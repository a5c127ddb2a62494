/** What are the schemas of the three kinds? JSON text of each `openAPIV3Schema`, without its descriptions. */

// Generated from crds/*.yaml by `npm run generate`. Edit those, not this.

export const SCHEMA_TEXTS = {
  AIProvider: String.raw`{
 "type": "object",
 "required": [
  "spec"
 ],
 "properties": {
  "apiVersion": {
   "type": "string"
  },
  "kind": {
   "type": "string"
  },
  "metadata": {
   "type": "object",
   "properties": {
    "name": {
     "type": "string",
     "maxLength": 63
    }
   }
  },
  "spec": {
   "type": "object",
   "required": [
    "type",
    "auth"
   ],
   "x-kubernetes-validations": [
    {
     "rule": "self.type != 'AzureOpenAI' || has(self.endpoint)",
     "fieldPath": ".endpoint",
     "reason": "FieldValueRequired",
     "message": "an AzureOpenAI provider needs the address of its resource, such as https://NAME.openai.azure.com"
    },
    {
     "rule": "self.type != 'AzureOpenAI' || !has(self.endpoint) || !self.endpoint.matches('^https?://[^/]+/(.*/)?openai(/.*)?$')",
     "fieldPath": ".endpoint",
     "message": "must be the resource's address alone: leave out /openai and what follows"
    },
    {
     "rule": "self.type != 'AzureOpenAI' || (has(self.models) && size(self.models) > 0)",
     "fieldPath": ".models",
     "reason": "FieldValueRequired",
     "message": "an AzureOpenAI provider needs its models: each with the deployment that serves it"
    },
    {
     "rule": "self.type != 'AzureOpenAI' || !has(self.residency)",
     "fieldPath": ".residency",
     "reason": "FieldValueForbidden",
     "message": "is for type OpenAI: on AzureOpenAI the region and each model's deploymentType decide"
    },
    {
     "rule": "self.type != 'AzureOpenAI' || !has(self.rateLimitGroup)",
     "fieldPath": ".rateLimitGroup",
     "reason": "FieldValueForbidden",
     "message": "is for type OpenAI: limits of AzureOpenAI belong to each deployment"
    },
    {
     "rule": "self.type != 'OpenAI' || !has(self.apiVersion)",
     "fieldPath": ".apiVersion",
     "reason": "FieldValueForbidden",
     "message": "is for type AzureOpenAI: OpenAI has no api-version"
    },
    {
     "rule": "self.type != 'OpenAI' || !has(self.compatibility)",
     "fieldPath": ".compatibility",
     "reason": "FieldValueForbidden",
     "message": "is for type AzureOpenAI: OpenAI has one form"
    },
    {
     "rule": "self.type != 'OpenAI' || !has(self.region)",
     "fieldPath": ".region",
     "reason": "FieldValueForbidden",
     "message": "is for type AzureOpenAI: for OpenAI say residency"
    },
    {
     "rule": "self.type != 'OpenAI' || !has(self.auth.entraID)",
     "fieldPath": ".auth.entraID",
     "reason": "FieldValueForbidden",
     "message": "is for type AzureOpenAI: for OpenAI use auth.apiKey"
    },
    {
     "rule": "self.type != 'OpenAI' || !has(self.models) || self.models.all(m, !has(m.deployment) && !has(m.deploymentType) && !has(m.apiVersion))",
     "fieldPath": ".models",
     "message": "deployment, deploymentType and apiVersion of a model are for type AzureOpenAI"
    }
   ],
   "properties": {
    "type": {
     "type": "string",
     "enum": [
      "AzureOpenAI",
      "OpenAI"
     ],
     "x-kubernetes-validations": [
      {
       "rule": "self == oldSelf",
       "message": "is immutable: make a new AIProvider"
      }
     ]
    },
    "endpoint": {
     "type": "string",
     "minLength": 1,
     "maxLength": 512,
     "x-kubernetes-validations": [
      {
       "rule": "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')",
       "message": "must be an http or https address without user, query or fragment, such as https://api.openai.com/v1"
      }
     ]
    },
    "apiVersion": {
     "type": "string",
     "maxLength": 32,
     "x-kubernetes-validations": [
      {
       "rule": "self.matches('^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$')",
       "message": "must be v1 or a dated version such as 2024-10-21 or 2025-04-01-preview"
      }
     ]
    },
    "compatibility": {
     "type": "object",
     "minProperties": 1,
     "properties": {
      "apiVersionOnV1": {
       "type": "string",
       "enum": [
        "Omit",
        "Preview"
       ]
      },
      "batchEndpoint": {
       "type": "string",
       "enum": [
        "Short",
        "Versioned"
       ]
      }
     }
    },
    "region": {
     "type": "string",
     "maxLength": 63,
     "x-kubernetes-validations": [
      {
       "rule": "self.matches('^[a-z0-9]+$')",
       "message": "must be an Azure region in lower case without spaces, such as swedencentral"
      }
     ]
    },
    "residency": {
     "type": "array",
     "minItems": 1,
     "maxItems": 4,
     "x-kubernetes-list-type": "set",
     "items": {
      "type": "string",
      "enum": [
       "APAC",
       "EU",
       "US",
       "USGov"
      ]
     }
    },
    "auth": {
     "type": "object",
     "x-kubernetes-map-type": "atomic",
     "x-kubernetes-validations": [
      {
       "rule": "has(self.apiKey) != has(self.entraID)",
       "message": "needs exactly one of apiKey and entraID"
      }
     ],
     "properties": {
      "apiKey": {
       "type": "object",
       "required": [
        "secretRef"
       ],
       "properties": {
        "secretRef": {
         "type": "object",
         "required": [
          "name",
          "key"
         ],
         "properties": {
          "name": {
           "type": "string",
           "minLength": 1,
           "maxLength": 253
          },
          "key": {
           "type": "string",
           "minLength": 1,
           "maxLength": 253
          }
         }
        }
       }
      },
      "entraID": {
       "type": "object",
       "required": [
        "tenantID",
        "clientID"
       ],
       "x-kubernetes-validations": [
        {
         "rule": "has(self.clientSecret) != has(self.workloadIdentity)",
         "message": "needs exactly one of clientSecret and workloadIdentity"
        }
       ],
       "properties": {
        "tenantID": {
         "type": "string",
         "minLength": 1,
         "maxLength": 253,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9.-]*$')",
           "message": "must be a tenant's UUID or domain name"
          }
         ]
        },
        "clientID": {
         "type": "string",
         "maxLength": 36,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')",
           "message": "must be the application's UUID, such as 11111111-1111-1111-1111-111111111111"
          }
         ]
        },
        "clientSecret": {
         "type": "object",
         "required": [
          "secretRef"
         ],
         "properties": {
          "secretRef": {
           "type": "object",
           "required": [
            "name",
            "key"
           ],
           "properties": {
            "name": {
             "type": "string",
             "minLength": 1,
             "maxLength": 253
            },
            "key": {
             "type": "string",
             "minLength": 1,
             "maxLength": 253
            }
           }
          }
         }
        },
        "workloadIdentity": {
         "type": "object"
        },
        "scope": {
         "type": "string",
         "minLength": 1,
         "maxLength": 256
        },
        "authority": {
         "type": "string",
         "minLength": 1,
         "maxLength": 256,
         "x-kubernetes-validations": [
          {
           "rule": "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''",
           "message": "must be an http or https address, such as https://login.microsoftonline.com"
          }
         ]
        }
       }
      }
     }
    },
    "tls": {
     "type": "object",
     "properties": {
      "caSecretRef": {
       "type": "object",
       "required": [
        "name",
        "key"
       ],
       "properties": {
        "name": {
         "type": "string",
         "minLength": 1,
         "maxLength": 253
        },
        "key": {
         "type": "string",
         "minLength": 1,
         "maxLength": 253
        }
       }
      }
     }
    },
    "models": {
     "type": "array",
     "maxItems": 128,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "name"
     ],
     "items": {
      "type": "object",
      "required": [
       "name"
      ],
      "properties": {
       "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",
          "message": "must begin with a letter or digit and hold only letters, digits and . _ : / @ -"
         }
        ]
       },
       "deployment": {
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",
          "message": "must begin with a letter or digit and hold only letters, digits and . _ -"
         }
        ]
       },
       "baseModel": {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",
          "message": "must begin with a letter or digit and hold only letters, digits and . _ : / @ -"
         }
        ]
       },
       "version": {
        "type": "string",
        "minLength": 1,
        "maxLength": 64
       },
       "contextTokens": {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000000000
       },
       "deploymentType": {
        "type": "string",
        "enum": [
         "DataZoneBatch",
         "DataZoneProvisionedManaged",
         "DataZoneStandard",
         "DeveloperTier",
         "GlobalBatch",
         "GlobalProvisionedManaged",
         "GlobalStandard",
         "ProvisionedManaged",
         "Standard"
        ]
       },
       "apiVersion": {
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$')",
          "message": "must be v1 or a dated version such as 2024-10-21 or 2025-04-01-preview"
         }
        ]
       },
       "timeouts": {
        "type": "object",
        "properties": {
         "connect": {
          "type": "string",
          "maxLength": 24,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
            "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
           }
          ]
         },
         "firstByte": {
          "type": "string",
          "maxLength": 24,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
            "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
           }
          ]
         },
         "firstToken": {
          "type": "string",
          "maxLength": 24,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
            "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
           }
          ]
         },
         "idle": {
          "type": "string",
          "maxLength": 24,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
            "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
           }
          ]
         },
         "request": {
          "type": "string",
          "maxLength": 24,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
            "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
           }
          ]
         }
        }
       },
       "limits": {
        "type": "object",
        "properties": {
         "tokensPerMinute": {
          "type": "integer",
          "minimum": 1,
          "maximum": 1000000000000
         },
         "requestsPerMinute": {
          "type": "integer",
          "minimum": 1,
          "maximum": 1000000000
         }
        }
       },
       "price": {
        "type": "object",
        "minProperties": 1,
        "x-kubernetes-validations": [
         {
          "rule": "!has(self.cachedInput) || has(self.input)",
          "fieldPath": ".cachedInput",
          "message": "needs input beside it"
         },
         {
          "rule": "!has(self.steps) || has(self.input) || has(self.output)",
          "fieldPath": ".steps",
          "message": "needs input or output beside it: the price below the first step"
         }
        ],
        "properties": {
         "input": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "cachedInput": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "output": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "audioInput": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "audioOutput": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "imageInput": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "imageOutput": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "perImage": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "perMinute": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "perMillionCharacters": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "steps": {
          "type": "array",
          "minItems": 1,
          "maxItems": 4,
          "x-kubernetes-list-type": "atomic",
          "x-kubernetes-validations": [
           {
            "rule": "self.map(s, s.aboveContextTokens).isSorted() && self.all(s, self.exists_one(t, t.aboveContextTokens == s.aboveContextTokens))",
            "message": "must be in the order of aboveContextTokens, each once"
           }
          ],
          "items": {
           "type": "object",
           "required": [
            "aboveContextTokens"
           ],
           "properties": {
            "aboveContextTokens": {
             "type": "integer",
             "minimum": 1,
             "maximum": 1000000000
            },
            "input": {
             "type": "string",
             "maxLength": 19,
             "x-kubernetes-validations": [
              {
               "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
               "message": "must be a decimal number of US dollars, such as \"2.50\""
              }
             ]
            },
            "cachedInput": {
             "type": "string",
             "maxLength": 19,
             "x-kubernetes-validations": [
              {
               "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
               "message": "must be a decimal number of US dollars, such as \"2.50\""
              }
             ]
            },
            "output": {
             "type": "string",
             "maxLength": 19,
             "x-kubernetes-validations": [
              {
               "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
               "message": "must be a decimal number of US dollars, such as \"2.50\""
              }
             ]
            }
           }
          }
         }
        }
       },
       "commitment": {
        "type": "object",
        "x-kubernetes-validations": [
         {
          "rule": "has(self.usdPerHour) != has(self.tokensPerMinute)",
          "message": "needs exactly one of usdPerHour and tokensPerMinute"
         },
         {
          "rule": "!has(self.discountPercent) || has(self.usdPerHour)",
          "fieldPath": ".discountPercent",
          "message": "needs usdPerHour beside it"
         }
        ],
        "properties": {
         "usdPerHour": {
          "type": "string",
          "maxLength": 19,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
            "message": "must be a decimal number of US dollars, such as \"2.50\""
           }
          ]
         },
         "discountPercent": {
          "type": "integer",
          "minimum": 0,
          "maximum": 99
         },
         "tokensPerMinute": {
          "type": "integer",
          "minimum": 1,
          "maximum": 1000000000000
         },
         "window": {
          "type": "string",
          "maxLength": 24,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
            "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
           }
          ]
         }
        }
       }
      }
     }
    },
    "timeouts": {
     "type": "object",
     "default": {
      "connect": "5s",
      "firstByte": "60s",
      "idle": "120s",
      "request": "10m"
     },
     "properties": {
      "connect": {
       "type": "string",
       "default": "5s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      },
      "firstByte": {
       "type": "string",
       "default": "60s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      },
      "firstToken": {
       "type": "string",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      },
      "idle": {
       "type": "string",
       "default": "120s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      },
      "request": {
       "type": "string",
       "default": "10m",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      }
     }
    },
    "concurrency": {
     "type": "object",
     "required": [
      "max"
     ],
     "properties": {
      "max": {
       "type": "integer",
       "minimum": 1,
       "maximum": 100000
      },
      "queue": {
       "type": "integer",
       "default": 0,
       "minimum": 0,
       "maximum": 100000
      }
     }
    },
    "health": {
     "type": "object",
     "default": {
      "enabled": true,
      "path": "/models",
      "interval": "10s",
      "timeout": "5s",
      "failureThreshold": 3
     },
     "x-kubernetes-validations": [
      {
       "rule": "!self.timeout.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || !self.interval.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || duration(self.timeout) <= duration(self.interval)",
       "fieldPath": ".timeout",
       "message": "must not be longer than interval (left out, timeout is 5s and interval 10s)"
      }
     ],
     "properties": {
      "enabled": {
       "type": "boolean",
       "default": true
      },
      "path": {
       "type": "string",
       "default": "/models",
       "minLength": 1,
       "maxLength": 256,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^/[A-Za-z0-9._~/-]*$') && !self.contains('..') && !self.contains('//')",
         "message": "must be a path that begins with / and is relative to the API base, such as /models"
        }
       ]
      },
      "interval": {
       "type": "string",
       "default": "10s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1s and 24h, such as 10s or 1m30s"
        }
       ]
      },
      "timeout": {
       "type": "string",
       "default": "5s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1s and 24h, such as 10s or 1m30s"
        }
       ]
      },
      "failureThreshold": {
       "type": "integer",
       "default": 3,
       "minimum": 1,
       "maximum": 100
      }
     }
    },
    "circuitBreaker": {
     "type": "object",
     "default": {
      "enabled": true,
      "failureThreshold": 5,
      "failurePercent": 50,
      "minRequests": 20,
      "recoveryTimeout": "60s"
     },
     "properties": {
      "enabled": {
       "type": "boolean",
       "default": true
      },
      "failureThreshold": {
       "type": "integer",
       "default": 5,
       "minimum": 1,
       "maximum": 1000
      },
      "failurePercent": {
       "type": "integer",
       "default": 50,
       "minimum": 1,
       "maximum": 100
      },
      "minRequests": {
       "type": "integer",
       "default": 20,
       "minimum": 1,
       "maximum": 100000
      },
      "recoveryTimeout": {
       "type": "string",
       "default": "60s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1s and 24h, such as 10s or 1m30s"
        }
       ]
      }
     }
    },
    "rateLimitGroup": {
     "type": "string",
     "minLength": 1,
     "maxLength": 63,
     "x-kubernetes-validations": [
      {
       "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",
       "message": "must begin with a letter or digit and hold only letters, digits and . _ -"
      }
     ]
    },
    "allowedRoutes": {
     "type": "object",
     "required": [
      "namespaces"
     ],
     "properties": {
      "namespaces": {
       "x-kubernetes-preserve-unknown-fields": true,
       "pattern": "^All$",
       "minItems": 1,
       "maxItems": 64,
       "items": {
        "type": "string",
        "maxLength": 63,
        "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
       },
       "minimum": 1,
       "maximum": 0,
       "minProperties": 1,
       "maxProperties": 0,
       "not": {
        "enum": [
         true,
         false
        ]
       }
      }
     }
    }
   }
  },
  "status": {
   "type": "object",
   "properties": {
    "observedGeneration": {
     "type": "integer",
     "minimum": 0
    },
    "endpoint": {
     "type": "string",
     "maxLength": 512
    },
    "prices": {
     "type": "array",
     "maxItems": 128,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "model"
     ],
     "items": {
      "type": "object",
      "required": [
       "model",
       "source"
      ],
      "properties": {
       "model": {
        "type": "string",
        "maxLength": 128
       },
       "source": {
        "type": "string",
        "enum": [
         "List",
         "None",
         "Spec"
        ]
       },
       "date": {
        "type": "string",
        "maxLength": 10
       }
      }
     }
    },
    "conditions": {
     "type": "array",
     "maxItems": 16,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "type"
     ],
     "items": {
      "type": "object",
      "required": [
       "type",
       "status",
       "reason",
       "message",
       "lastTransitionTime"
      ],
      "properties": {
       "type": {
        "type": "string",
        "minLength": 1,
        "maxLength": 316
       },
       "status": {
        "type": "string",
        "enum": [
         "False",
         "True",
         "Unknown"
        ]
       },
       "observedGeneration": {
        "type": "integer",
        "minimum": 0
       },
       "lastTransitionTime": {
        "type": "string",
        "format": "date-time",
        "maxLength": 64
       },
       "reason": {
        "type": "string",
        "in one CamelCase word.": null,
        "minLength": 1,
        "maxLength": 1024
       },
       "message": {
        "type": "string",
        "in a sentence for people.": null,
        "maxLength": 32768
       }
      }
     }
    }
   }
  }
 }
}`,
  AIRoute: String.raw`{
 "type": "object",
 "required": [
  "spec"
 ],
 "properties": {
  "apiVersion": {
   "type": "string"
  },
  "kind": {
   "type": "string"
  },
  "metadata": {
   "type": "object",
   "properties": {
    "name": {
     "type": "string",
     "maxLength": 63
    }
   }
  },
  "spec": {
   "type": "object",
   "required": [
    "models",
    "backends"
   ],
   "x-kubernetes-validations": [
    {
     "rule": "self.strategy != 'BlueGreen' || has(self.activeBackend)",
     "fieldPath": ".activeBackend",
     "reason": "FieldValueRequired",
     "message": "strategy BlueGreen needs the name of the backend that takes the traffic"
    },
    {
     "rule": "self.strategy == 'BlueGreen' || !has(self.activeBackend)",
     "fieldPath": ".activeBackend",
     "reason": "FieldValueForbidden",
     "message": "is for strategy BlueGreen"
    },
    {
     "rule": "!has(self.activeBackend) || self.backends.exists(b, b.name == self.activeBackend)",
     "fieldPath": ".activeBackend",
     "message": "must be the name of one of the backends"
    },
    {
     "rule": "self.strategy == 'Cost' || !has(self.cost)",
     "fieldPath": ".cost",
     "reason": "FieldValueForbidden",
     "message": "is for strategy Cost"
    },
    {
     "rule": "self.strategy == 'Latency' || !has(self.latency)",
     "fieldPath": ".latency",
     "reason": "FieldValueForbidden",
     "message": "is for strategy Latency"
    },
    {
     "rule": "self.strategy != 'Weighted' || has(self.rollout) || self.backends.exists(b, b.?weight.orValue(1) > 0)",
     "fieldPath": ".backends",
     "message": "at least one backend needs a weight above 0"
    },
    {
     "rule": "!has(self.shadow) || self.backends.exists(b, b.name == self.shadow.backend)",
     "fieldPath": ".shadow.backend",
     "message": "must be the name of one of the backends"
    },
    {
     "rule": "!has(self.shadow) || !has(self.rollout)",
     "fieldPath": ".shadow",
     "reason": "FieldValueForbidden",
     "message": "cannot stand beside a rollout: use rollout.shadow and a step setShadow"
    },
    {
     "rule": "!has(self.rollout) || self.strategy == 'Weighted'",
     "fieldPath": ".rollout",
     "reason": "FieldValueForbidden",
     "message": "needs strategy Weighted"
    },
    {
     "rule": "!has(self.rollout) || self.backends.exists(b, b.name == self.rollout.stable)",
     "fieldPath": ".rollout.stable",
     "message": "must be the name of one of the backends"
    },
    {
     "rule": "!has(self.rollout) || self.backends.exists(b, b.name == self.rollout.candidate)",
     "fieldPath": ".rollout.candidate",
     "message": "must be the name of one of the backends"
    },
    {
     "rule": "!has(self.rollout) || self.backends.all(a, a.name != self.rollout.stable || self.backends.all(b, b.name != self.rollout.candidate || a.?priority.orValue(1) == b.?priority.orValue(1)))",
     "fieldPath": ".rollout.candidate",
     "message": "must have the same priority as stable"
    }
   ],
   "properties": {
    "models": {
     "type": "array",
     "minItems": 1,
     "maxItems": 64,
     "x-kubernetes-list-type": "set",
     "items": {
      "type": "string",
      "minLength": 1,
      "maxLength": 128,
      "x-kubernetes-validations": [
       {
        "rule": "self.matches('^([*]|[A-Za-z0-9][A-Za-z0-9._:/@-]*)$')",
        "message": "must be \"*\", or begin with a letter or digit and hold only letters, digits and . _ : / @ -"
       }
      ]
     }
    },
    "strategy": {
     "type": "string",
     "enum": [
      "BlueGreen",
      "Cost",
      "Latency",
      "Weighted"
     ],
     "default": "Weighted"
    },
    "activeBackend": {
     "type": "string",
     "minLength": 1,
     "maxLength": 63
    },
    "backends": {
     "type": "array",
     "minItems": 1,
     "maxItems": 16,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "name"
     ],
     "items": {
      "type": "object",
      "required": [
       "name",
       "providerRef"
      ],
      "properties": {
       "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 63,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
          "message": "must hold only lower-case letters, digits and -, and begin and end with a letter or digit"
         }
        ]
       },
       "providerRef": {
        "type": "object",
        "required": [
         "name"
        ],
        "x-kubernetes-map-type": "atomic",
        "properties": {
         "name": {
          "type": "string",
          "minLength": 1,
          "maxLength": 63
         },
         "namespace": {
          "type": "string",
          "minLength": 1,
          "maxLength": 63
         }
        }
       },
       "model": {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",
          "message": "must begin with a letter or digit and hold only letters, digits and . _ : / @ -"
         }
        ]
       },
       "priority": {
        "type": "integer",
        "minimum": 1,
        "maximum": 16
       },
       "weight": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100
       },
       "failover": {
        "type": "string",
        "enum": [
         "Allowed",
         "Never"
        ]
       }
      }
     }
    },
    "sticky": {
     "type": "object",
     "required": [
      "by"
     ],
     "properties": {
      "by": {
       "type": "array",
       "minItems": 1,
       "maxItems": 8,
       "x-kubernetes-list-type": "atomic",
       "items": {
        "type": "object",
        "x-kubernetes-validations": [
         {
          "rule": "has(self.header) != has(self.bodyField)",
          "message": "needs exactly one of header and bodyField"
         }
        ],
        "properties": {
         "header": {
          "type": "string",
          "minLength": 1,
          "maxLength": 128,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^[A-Za-z0-9-]+$')",
            "message": "must be a header's name, such as x-session-id"
           }
          ]
         },
         "bodyField": {
          "type": "string",
          "minLength": 1,
          "maxLength": 64,
          "x-kubernetes-validations": [
           {
            "rule": "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
            "message": "must be the name of a top-level field, such as user"
           }
          ]
         }
        }
       }
      }
     }
    },
    "failover": {
     "type": "object",
     "default": {
      "retrySameProvider": 1,
      "fallbackToNext": true,
      "maxAttempts": 4,
      "maxDuration": "60s",
      "backoff": {
       "base": "250ms",
       "max": "4s"
      },
      "streamRecovery": "None"
     },
     "properties": {
      "retrySameProvider": {
       "type": "integer",
       "default": 1,
       "minimum": 0,
       "maximum": 10
      },
      "fallbackToNext": {
       "type": "boolean",
       "default": true
      },
      "maxAttempts": {
       "type": "integer",
       "default": 4,
       "minimum": 1,
       "maximum": 32
      },
      "maxDuration": {
       "type": "string",
       "default": "60s",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      },
      "backoff": {
       "type": "object",
       "default": {
        "base": "250ms",
        "max": "4s"
       },
       "x-kubernetes-validations": [
        {
         "rule": "!self.base.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || !self.max.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || duration(self.base) <= duration(self.max)",
         "fieldPath": ".base",
         "message": "must not be longer than max (left out, base is 250ms and max 4s)"
        }
       ],
       "properties": {
        "base": {
         "type": "string",
         "default": "250ms",
         "maxLength": 24,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
           "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
          }
         ]
        },
        "max": {
         "type": "string",
         "default": "4s",
         "maxLength": 24,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
           "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
          }
         ]
        }
       }
      },
      "hedgeAfter": {
       "type": "string",
       "maxLength": 24,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
         "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
        }
       ]
      },
      "streamRecovery": {
       "type": "string",
       "enum": [
        "None",
        "Splice"
       ],
       "default": "None"
      }
     }
    },
    "shadow": {
     "type": "object",
     "required": [
      "backend",
      "percent"
     ],
     "properties": {
      "backend": {
       "type": "string",
       "minLength": 1,
       "maxLength": 63
      },
      "percent": {
       "type": "integer",
       "minimum": 0,
       "maximum": 100
      },
      "noisePercent": {
       "type": "integer",
       "default": 0,
       "minimum": 0,
       "maximum": 100
      },
      "maxInFlight": {
       "type": "integer",
       "default": 32,
       "minimum": 1,
       "maximum": 10000
      },
      "dailyTokenBudget": {
       "type": "integer",
       "minimum": 0,
       "maximum": 1000000000000000
      },
      "tools": {
       "type": "string",
       "enum": [
        "Allow",
        "Deny"
       ],
       "default": "Deny"
      },
      "records": {
       "type": "object",
       "properties": {
        "bodies": {
         "type": "string",
         "enum": [
          "Hashes",
          "Keep"
         ],
         "default": "Hashes"
        },
        "retention": {
         "type": "string",
         "default": "1h",
         "maxLength": 24,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",
           "message": "must be a duration between 1m and 24h, such as 30m or 1h"
          }
         ]
        }
       }
      },
      "judge": {
       "type": "object",
       "required": [
        "url"
       ],
       "properties": {
        "url": {
         "type": "string",
         "minLength": 1,
         "maxLength": 2048,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$')",
           "message": "must be an http or https address, such as https://judge.example.com/compare"
          }
         ]
        },
        "secretRef": {
         "type": "object",
         "required": [
          "name",
          "key"
         ],
         "x-kubernetes-map-type": "atomic",
         "properties": {
          "name": {
           "type": "string",
           "minLength": 1,
           "maxLength": 253
          },
          "key": {
           "type": "string",
           "minLength": 1,
           "maxLength": 253
          }
         }
        },
        "percent": {
         "type": "integer",
         "default": 100,
         "minimum": 1,
         "maximum": 100
        }
       }
      }
     }
    },
    "rollout": {
     "type": "object",
     "required": [
      "stable",
      "candidate",
      "steps"
     ],
     "x-kubernetes-validations": [
      {
       "rule": "self.stable != self.candidate",
       "fieldPath": ".candidate",
       "message": "must be another backend than stable"
      },
      {
       "rule": "self.steps.filter(s, has(s.setWeight)).map(s, s.setWeight).isSorted()",
       "fieldPath": ".steps",
       "message": "setWeight must not fall from one step to the next"
      }
     ],
     "properties": {
      "state": {
       "type": "string",
       "enum": [
        "Abort",
        "Pause",
        "Run"
       ],
       "default": "Run"
      },
      "stable": {
       "type": "string",
       "minLength": 1,
       "maxLength": 63
      },
      "candidate": {
       "type": "string",
       "minLength": 1,
       "maxLength": 63
      },
      "steps": {
       "type": "array",
       "minItems": 1,
       "maxItems": 32,
       "x-kubernetes-list-type": "atomic",
       "items": {
        "type": "object",
        "x-kubernetes-validations": [
         {
          "rule": "(has(self.setShadow) ? 1 : 0) + (has(self.setWeight) ? 1 : 0) + (has(self.analyze) ? 1 : 0) + (has(self.pause) ? 1 : 0) == 1",
          "message": "needs exactly one of setShadow, setWeight, analyze and pause"
         }
        ],
        "properties": {
         "setShadow": {
          "type": "integer",
          "minimum": 0,
          "maximum": 100
         },
         "setWeight": {
          "type": "integer",
          "minimum": 0,
          "maximum": 100
         },
         "analyze": {
          "type": "object",
          "required": [
           "duration"
          ],
          "properties": {
           "duration": {
            "type": "string",
            "maxLength": 24,
            "x-kubernetes-validations": [
             {
              "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
              "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
             }
            ]
           }
          }
         },
         "pause": {
          "type": "object",
          "properties": {
           "duration": {
            "type": "string",
            "maxLength": 24,
            "x-kubernetes-validations": [
             {
              "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
              "message": "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s"
             }
            ]
           }
          }
         }
        }
       }
      },
      "shadow": {
       "type": "object",
       "default": {
        "noisePercent": 0,
        "maxInFlight": 32,
        "tools": "Deny"
       },
       "properties": {
        "noisePercent": {
         "type": "integer",
         "default": 0,
         "minimum": 0,
         "maximum": 100
        },
        "maxInFlight": {
         "type": "integer",
         "default": 32,
         "minimum": 1,
         "maximum": 10000
        },
        "dailyTokenBudget": {
         "type": "integer",
         "minimum": 0,
         "maximum": 1000000000000000
        },
        "tools": {
         "type": "string",
         "enum": [
          "Allow",
          "Deny"
         ],
         "default": "Deny"
        },
        "records": {
         "type": "object",
         "properties": {
          "bodies": {
           "type": "string",
           "enum": [
            "Hashes",
            "Keep"
           ],
           "default": "Hashes"
          },
          "retention": {
           "type": "string",
           "default": "1h",
           "maxLength": 24,
           "x-kubernetes-validations": [
            {
             "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",
             "message": "must be a duration between 1m and 24h, such as 30m or 1h"
            }
           ]
          }
         }
        },
        "judge": {
         "type": "object",
         "required": [
          "url"
         ],
         "properties": {
          "url": {
           "type": "string",
           "minLength": 1,
           "maxLength": 2048,
           "x-kubernetes-validations": [
            {
             "rule": "self.matches('^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$')",
             "message": "must be an http or https address, such as https://judge.example.com/compare"
            }
           ]
          },
          "secretRef": {
           "type": "object",
           "required": [
            "name",
            "key"
           ],
           "x-kubernetes-map-type": "atomic",
           "properties": {
            "name": {
             "type": "string",
             "minLength": 1,
             "maxLength": 253
            },
            "key": {
             "type": "string",
             "minLength": 1,
             "maxLength": 253
            }
           }
          },
          "percent": {
           "type": "integer",
           "default": 100,
           "minimum": 1,
           "maximum": 100
          }
         }
        }
       }
      },
      "analysis": {
       "type": "object",
       "required": [
        "metrics"
       ],
       "properties": {
        "interval": {
         "type": "string",
         "default": "30s",
         "maxLength": 24,
         "x-kubernetes-validations": [
          {
           "rule": "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",
           "message": "must be a duration between 1s and 24h, such as 10s or 1m30s"
          }
         ]
        },
        "failureLimit": {
         "type": "integer",
         "default": 2,
         "minimum": 0,
         "maximum": 100
        },
        "minRequests": {
         "type": "integer",
         "default": 50,
         "minimum": 1,
         "maximum": 1000000
        },
        "onInconclusive": {
         "type": "string",
         "enum": [
          "Abort",
          "Continue",
          "Pause"
         ],
         "default": "Pause"
        },
        "metrics": {
         "type": "array",
         "minItems": 1,
         "maxItems": 16,
         "x-kubernetes-list-type": "atomic",
         "x-kubernetes-validations": [
          {
           "rule": "self.all(a, self.exists_one(b, b.name == a.name))",
           "message": "must not have two metrics of one name"
          }
         ],
         "items": {
          "type": "object",
          "required": [
           "name"
          ],
          "x-kubernetes-validations": [
           {
            "rule": "has(self.max) || has(self.min) || has(self.maxIncreasePercent) || has(self.maxDecreasePercent)",
            "message": "needs max, min, maxIncreasePercent or maxDecreasePercent"
           },
           {
            "rule": "has(self.prometheus) || self.name in ['CostPerRequest', 'ErrorPercent', 'P50LatencyMilliseconds', 'P95FirstTokenMilliseconds', 'P95LatencyMilliseconds', 'P99LatencyMilliseconds', 'RefusalPercent', 'SchemaFailurePercent', 'ShadowDisagreementPercent', 'TokensPerSecond', 'TruncationPercent']",
            "fieldPath": ".name",
            "message": "must be CostPerRequest, ErrorPercent, P50LatencyMilliseconds, P95FirstTokenMilliseconds, P95LatencyMilliseconds, P99LatencyMilliseconds, RefusalPercent, SchemaFailurePercent, ShadowDisagreementPercent, TokensPerSecond or TruncationPercent; a metric of another name needs prometheus"
           },
           {
            "rule": "!has(self.prometheus) || !(self.name in ['CostPerRequest', 'ErrorPercent', 'P50LatencyMilliseconds', 'P95FirstTokenMilliseconds', 'P95LatencyMilliseconds', 'P99LatencyMilliseconds', 'RefusalPercent', 'SchemaFailurePercent', 'ShadowDisagreementPercent', 'TokensPerSecond', 'TruncationPercent'])",
            "fieldPath": ".name",
            "message": "is what the proxies measure themselves; give the query another name"
           },
           {
            "rule": "!(has(self.prometheus) || self.name == 'ShadowDisagreementPercent') || !(has(self.maxIncreasePercent) || has(self.maxDecreasePercent))",
            "message": "has no stable side to be compared with: use max or min"
           }
          ],
          "properties": {
           "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 63,
            "x-kubernetes-validations": [
             {
              "rule": "self.matches('^[A-Z][A-Za-z0-9]*$')",
              "message": "must begin with a capital and hold only letters and digits"
             }
            ]
           },
           "max": {
            "type": "string",
            "maxLength": 19,
            "x-kubernetes-validations": [
             {
              "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
              "message": "must be a decimal number, such as \"1.5\""
             }
            ]
           },
           "min": {
            "type": "string",
            "maxLength": 19,
            "x-kubernetes-validations": [
             {
              "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
              "message": "must be a decimal number, such as \"1.5\""
             }
            ]
           },
           "maxIncreasePercent": {
            "type": "integer",
            "minimum": 0,
            "maximum": 10000
           },
           "maxDecreasePercent": {
            "type": "integer",
            "minimum": 0,
            "maximum": 100
           },
           "prometheus": {
            "type": "object",
            "required": [
             "url",
             "query"
            ],
            "properties": {
             "url": {
              "type": "string",
              "minLength": 1,
              "maxLength": 2048,
              "x-kubernetes-validations": [
               {
                "rule": "self.matches('^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$')",
                "message": "must be an http or https address, such as http://prometheus.monitoring:9090"
               }
              ]
             },
             "query": {
              "type": "string",
              "minLength": 1,
              "maxLength": 4096
             },
             "secretRef": {
              "type": "object",
              "required": [
               "name",
               "key"
              ],
              "x-kubernetes-map-type": "atomic",
              "properties": {
               "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 253
               },
               "key": {
                "type": "string",
                "minLength": 1,
                "maxLength": 253
               }
              }
             }
            }
           },
           "dryRun": {
            "type": "boolean",
            "false.": null
           }
          }
         }
        }
       }
      }
     }
    },
    "cost": {
     "type": "object",
     "properties": {
      "unpriced": {
       "type": "string",
       "enum": [
        "Exclude",
        "Last"
       ],
       "default": "Last"
      }
     }
    },
    "latency": {
     "type": "object",
     "properties": {
      "metric": {
       "type": "string",
       "enum": [
        "FirstToken",
        "Total"
       ],
       "default": "FirstToken"
      },
      "explorePercent": {
       "type": "integer",
       "default": 2,
       "minimum": 0,
       "maximum": 50
      },
      "switchMarginPercent": {
       "type": "integer",
       "default": 10,
       "minimum": 0,
       "maximum": 100
      }
     }
    },
    "compliance": {
     "type": "object",
     "properties": {
      "rules": {
       "type": "array",
       "maxItems": 4,
       "x-kubernetes-list-type": "map",
       "x-kubernetes-list-map-keys": [
        "residency"
       ],
       "items": {
        "type": "object",
        "required": [
         "residency",
         "allow"
        ],
        "properties": {
         "residency": {
          "type": "string",
          "enum": [
           "APAC",
           "EU",
           "US",
           "USGov"
          ]
         },
         "allow": {
          "type": "array",
          "minItems": 1,
          "maxItems": 4,
          "x-kubernetes-list-type": "set",
          "items": {
           "type": "string",
           "enum": [
            "APAC",
            "EU",
            "US",
            "USGov"
           ]
          }
         },
         "allowTools": {
          "type": "array",
          "maxItems": 8,
          "x-kubernetes-list-type": "set",
          "items": {
           "type": "string",
           "enum": [
            "DataSources",
            "MCP",
            "RemoteFiles",
            "RemoteImages",
            "WebSearch"
           ]
          }
         }
        }
       }
      },
      "unknownResidency": {
       "type": "string",
       "enum": [
        "Allow",
        "Deny"
       ],
       "default": "Allow"
      }
     }
    },
    "contentPolicy": {
     "type": "object",
     "x-kubernetes-validations": [
      {
       "rule": "has(self.input) || has(self.output)",
       "message": "needs input or output"
      }
     ],
     "properties": {
      "input": {
       "type": "object",
       "minProperties": 1,
       "properties": {
        "hate": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "sexual": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "violence": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "selfHarm": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "jailbreak": {
         "type": "string",
         "enum": [
          "Block"
         ]
        }
       }
      },
      "output": {
       "type": "object",
       "minProperties": 1,
       "properties": {
        "hate": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "sexual": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "violence": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        },
        "selfHarm": {
         "type": "string",
         "enum": [
          "High",
          "Low",
          "Medium"
         ]
        }
       }
      },
      "unsupported": {
       "type": "string",
       "enum": [
        "Allow",
        "Deny"
       ],
       "default": "Deny"
      },
      "onCheckFailure": {
       "type": "string",
       "enum": [
        "Allow",
        "Deny"
       ],
       "default": "Deny"
      }
     }
    },
    "allowedClients": {
     "type": "object",
     "required": [
      "namespaces"
     ],
     "properties": {
      "namespaces": {
       "x-kubernetes-preserve-unknown-fields": true,
       "pattern": "^All$",
       "minItems": 1,
       "maxItems": 64,
       "items": {
        "type": "string",
        "maxLength": 63,
        "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
       },
       "minimum": 1,
       "maximum": 0,
       "minProperties": 1,
       "maxProperties": 0,
       "not": {
        "enum": [
         true,
         false
        ]
       }
      }
     }
    },
    "foreignIDs": {
     "type": "string",
     "enum": [
      "NotFound",
      "Probe"
     ],
     "default": "NotFound"
    }
   }
  },
  "status": {
   "type": "object",
   "properties": {
    "observedGeneration": {
     "type": "integer",
     "minimum": 0
    },
    "models": {
     "type": "string",
     "maxLength": 16384
    },
    "weights": {
     "type": "string",
     "maxLength": 4096
    },
    "proxies": {
     "type": "object",
     "properties": {
      "serving": {
       "type": "integer",
       "minimum": 0
      },
      "programmed": {
       "type": "integer",
       "minimum": 0
      }
     }
    },
    "activeBackend": {
     "type": "object",
     "required": [
      "name",
      "since"
     ],
     "properties": {
      "name": {
       "type": "string",
       "maxLength": 63
      },
      "since": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "previous": {
       "type": "string",
       "maxLength": 63
      }
     }
    },
    "rollout": {
     "type": "object",
     "properties": {
      "sequence": {
       "type": "integer",
       "minimum": 0
      },
      "hash": {
       "type": "string",
       "maxLength": 128
      },
      "step": {
       "type": "string",
       "maxLength": 16
      },
      "stepIndex": {
       "type": "integer",
       "minimum": 0,
       "maximum": 32
      },
      "weight": {
       "type": "integer",
       "minimum": 0,
       "maximum": 100
      },
      "shadowPercent": {
       "type": "integer",
       "minimum": 0,
       "maximum": 100
      },
      "startedAt": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "stepStartedAt": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "phase": {
       "type": "string",
       "enum": [
        "Ended",
        "Held",
        "Running",
        "Spreading",
        "Waiting"
       ]
      },
      "runMilliseconds": {
       "type": "integer",
       "minimum": 0
      },
      "runningSince": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "pausedSince": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "windowSince": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "evidenceSince": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      },
      "passedWindows": {
       "type": "integer",
       "minimum": 0
      },
      "passedInRow": {
       "type": "integer",
       "minimum": 0
      },
      "seenPromotion": {
       "type": "string",
       "maxLength": 64
      },
      "outcome": {
       "type": "string",
       "enum": [
        "Aborted",
        "Promoted",
        "RolledBack"
       ]
      },
      "failedWindows": {
       "type": "integer",
       "minimum": 0
      },
      "inconclusiveWindows": {
       "type": "integer",
       "minimum": 0
      },
      "message": {
       "type": "string",
       "maxLength": 4096
      },
      "metrics": {
       "type": "array",
       "maxItems": 16,
       "x-kubernetes-list-type": "atomic",
       "items": {
        "type": "object",
        "required": [
         "name"
        ],
        "properties": {
         "name": {
          "type": "string",
          "maxLength": 64
         },
         "stable": {
          "type": "string",
          "maxLength": 32
         },
         "candidate": {
          "type": "string",
          "maxLength": 32
         },
         "verdict": {
          "type": "string",
          "enum": [
           "Failed",
           "Inconclusive",
           "Passed"
          ]
         },
         "dryRun": {
          "type": "boolean"
         },
         "message": {
          "type": "string",
          "maxLength": 1024
         }
        }
       }
      }
     }
    },
    "shadow": {
     "type": "object",
     "properties": {
      "date": {
       "type": "string",
       "maxLength": 10
      },
      "copied": {
       "type": "integer",
       "minimum": 0
      },
      "dropped": {
       "type": "integer",
       "minimum": 0
      },
      "compared": {
       "type": "integer",
       "minimum": 0
      },
      "different": {
       "type": "integer",
       "minimum": 0
      },
      "noiseCompared": {
       "type": "integer",
       "minimum": 0
      },
      "noiseDifferent": {
       "type": "integer",
       "minimum": 0
      },
      "tokens": {
       "type": "integer",
       "minimum": 0
      },
      "backend": {
       "type": "string",
       "maxLength": 63
      },
      "judged": {
       "type": "object",
       "properties": {
        "wins": {
         "type": "integer",
         "minimum": 0
        },
        "ties": {
         "type": "integer",
         "minimum": 0
        },
        "losses": {
         "type": "integer",
         "minimum": 0
        }
       }
      },
      "verdict": {
       "type": "string",
       "enum": [
        "Alike",
        "Different",
        "Inconclusive"
       ]
      },
      "message": {
       "type": "string",
       "maxLength": 1024
      },
      "counted": {
       "type": "array",
       "maxItems": 128,
       "x-kubernetes-list-type": "map",
       "x-kubernetes-list-map-keys": [
        "instance"
       ],
       "items": {
        "type": "object",
        "required": [
         "instance"
        ],
        "properties": {
         "instance": {
          "type": "string",
          "maxLength": 64
         },
         "copied": {
          "type": "integer",
          "minimum": 0
         },
         "dropped": {
          "type": "integer",
          "minimum": 0
         },
         "compared": {
          "type": "integer",
          "minimum": 0
         },
         "different": {
          "type": "integer",
          "minimum": 0
         },
         "noiseCompared": {
          "type": "integer",
          "minimum": 0
         },
         "noiseDifferent": {
          "type": "integer",
          "minimum": 0
         },
         "tokens": {
          "type": "integer",
          "minimum": 0
         },
         "wins": {
          "type": "integer",
          "minimum": 0
         },
         "ties": {
          "type": "integer",
          "minimum": 0
         },
         "losses": {
          "type": "integer",
          "minimum": 0
         }
        }
       }
      }
     }
    },
    "conditions": {
     "type": "array",
     "maxItems": 16,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "type"
     ],
     "items": {
      "type": "object",
      "required": [
       "type",
       "status",
       "reason",
       "message",
       "lastTransitionTime"
      ],
      "properties": {
       "type": {
        "type": "string",
        "minLength": 1,
        "maxLength": 316
       },
       "status": {
        "type": "string",
        "enum": [
         "False",
         "True",
         "Unknown"
        ]
       },
       "observedGeneration": {
        "type": "integer",
        "minimum": 0
       },
       "lastTransitionTime": {
        "type": "string",
        "format": "date-time",
        "maxLength": 64
       },
       "reason": {
        "type": "string",
        "in one CamelCase word.": null,
        "minLength": 1,
        "maxLength": 1024
       },
       "message": {
        "type": "string",
        "in a sentence for people.": null,
        "maxLength": 32768
       }
      }
     }
    }
   }
  }
 }
}`,
  AIClient: String.raw`{
 "type": "object",
 "required": [
  "spec"
 ],
 "properties": {
  "apiVersion": {
   "type": "string"
  },
  "kind": {
   "type": "string"
  },
  "metadata": {
   "type": "object",
   "properties": {
    "name": {
     "type": "string",
     "maxLength": 63
    }
   }
  },
  "spec": {
   "type": "object",
   "required": [
    "keys"
   ],
   "properties": {
    "keys": {
     "type": "array",
     "minItems": 1,
     "maxItems": 2,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "name"
     ],
     "items": {
      "type": "object",
      "required": [
       "name",
       "secretRef"
      ],
      "properties": {
       "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 63,
        "x-kubernetes-validations": [
         {
          "rule": "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
          "message": "must hold only lower-case letters, digits and -, and begin and end with a letter or digit"
         }
        ]
       },
       "secretRef": {
        "type": "object",
        "required": [
         "name",
         "key"
        ],
        "x-kubernetes-map-type": "atomic",
        "properties": {
         "name": {
          "type": "string",
          "minLength": 1,
          "maxLength": 253
         },
         "key": {
          "type": "string",
          "minLength": 1,
          "maxLength": 253
         }
        }
       }
      }
     }
    },
    "models": {
     "type": "array",
     "minItems": 1,
     "maxItems": 64,
     "x-kubernetes-list-type": "set",
     "items": {
      "type": "string",
      "minLength": 1,
      "maxLength": 128,
      "x-kubernetes-validations": [
       {
        "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')",
        "message": "must begin with a letter or digit and hold only letters, digits and . _ : / @ -"
       }
      ]
     }
    },
    "residency": {
     "type": "string",
     "enum": [
      "APAC",
      "EU",
      "US",
      "USGov"
     ]
    },
    "location": {
     "type": "string",
     "minLength": 1,
     "maxLength": 63,
     "x-kubernetes-validations": [
      {
       "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",
       "message": "must begin with a letter or digit and hold only letters, digits and . _ -"
      }
     ]
    },
    "limits": {
     "type": "object",
     "properties": {
      "requestsPerMinute": {
       "type": "integer",
       "minimum": 1,
       "maximum": 1000000000
      },
      "tokensPerMinute": {
       "type": "integer",
       "minimum": 1,
       "maximum": 1000000000000
      },
      "maxConcurrent": {
       "type": "integer",
       "minimum": 1,
       "maximum": 1000000
      }
     }
    },
    "budget": {
     "type": "object",
     "required": [
      "usdPerMonth"
     ],
     "properties": {
      "usdPerMonth": {
       "type": "string",
       "maxLength": 19,
       "x-kubernetes-validations": [
        {
         "rule": "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?$')",
         "message": "must be a decimal number of US dollars, such as \"2.50\""
        }
       ]
      },
      "onExceeded": {
       "type": "string",
       "enum": [
        "Deny",
        "Warn"
       ],
       "default": "Deny"
      }
     }
    },
    "defaultRoute": {
     "type": "string",
     "minLength": 1,
     "maxLength": 127,
     "x-kubernetes-validations": [
      {
       "rule": "self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/)?[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$')",
       "message": "must be the name of an AIRoute, or NAMESPACE/NAME"
      }
     ]
    },
    "statefulListing": {
     "type": "string",
     "enum": [
      "Allow",
      "Deny"
     ],
     "default": "Deny"
    }
   }
  },
  "status": {
   "type": "object",
   "properties": {
    "observedGeneration": {
     "type": "integer",
     "minimum": 0
    },
    "models": {
     "type": "string",
     "maxLength": 16384
    },
    "usage": {
     "type": "object",
     "properties": {
      "month": {
       "type": "string",
       "maxLength": 7
      },
      "usd": {
       "type": "string",
       "maxLength": 32
      },
      "requests": {
       "type": "integer",
       "minimum": 0
      },
      "tokens": {
       "type": "integer",
       "minimum": 0
      },
      "updatedAt": {
       "type": "string",
       "format": "date-time",
       "maxLength": 64
      }
     }
    },
    "conditions": {
     "type": "array",
     "maxItems": 16,
     "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": [
      "type"
     ],
     "items": {
      "type": "object",
      "required": [
       "type",
       "status",
       "reason",
       "message",
       "lastTransitionTime"
      ],
      "properties": {
       "type": {
        "type": "string",
        "minLength": 1,
        "maxLength": 316
       },
       "status": {
        "type": "string",
        "enum": [
         "False",
         "True",
         "Unknown"
        ]
       },
       "observedGeneration": {
        "type": "integer",
        "minimum": 0
       },
       "lastTransitionTime": {
        "type": "string",
        "format": "date-time",
        "maxLength": 64
       },
       "reason": {
        "type": "string",
        "in one CamelCase word.": null,
        "minLength": 1,
        "maxLength": 1024
       },
       "message": {
        "type": "string",
        "in a sentence for people.": null,
        "maxLength": 32768
       }
      }
     }
    }
   }
  }
 }
}`,
} as const;
