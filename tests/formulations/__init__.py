"""The methods as their specification says it, slowly: what the fast ones are compared with.

Plain numbers and one image at a time; nothing here uses the package.
"""
