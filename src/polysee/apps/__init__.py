"""What people do with Polysee, as short functions: values in, dataclasses out, no printing."""
