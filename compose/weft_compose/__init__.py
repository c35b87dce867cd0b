"""The mesh on one machine: real servers from wheels, five services, one launcher."""
